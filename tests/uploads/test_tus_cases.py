"""The cases of tus 1.0.0 that a public list of conformance tests names and `test_tus.py` does not have.

A test is named by the numbers of its cases. Without `Tus-Resumable`, a request is one of Resumable Uploads for HTTP, so
the cases that expect 412 for it apply only to creation. Cases in `test_tus.py`:

- CP-ERR-001 and 002: the wrong lengths
- CP-OPT-002 and 003: the discovery
- CP-HEAD-001 to 007, CP-PATCH-006 to 009, EXT-EXPIRE-001 to 003, OPT-EXP-003 and SCN-RESUME: the several pieces
- CP-HEAD-005, EXT-TERM-004, SCN-ERROR-001 and OPT-ERR-002: the type and the offset of an append
- EXT-CWU-001, 003 and 004: the first request
- EXT-DEFER-004: the deferred length
- OPT-META-003 and 006: the metadata

OPT-COMP-001 and 002 are in `test_takeover.py`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import parsedate_to_datetime

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.support.server import running_service
from tests.uploads.clients import OFFSET_STREAM, TUS, TusClient, checksum, problem

OLD = {"Tus-Resumable": "0.2.2"}


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


async def expire(sql: asyncpg.Connection, url: str) -> None:
    await sql.execute("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = $1", url.rpartition("/")[2])


@pytest.mark.parametrize("offset", ["-1", "abc", "1.5", ""])
async def test_cp_patch_004_the_offset_is_a_number(tus: TusClient, offset: str) -> None:
    url = (await tus.create(10)).headers["Location"]
    assert (await tus.append(url, 0, b"x", Upload_Offset=offset)).status_code == 400
    assert await tus.offset(url) == 0


async def test_cp_ver_001_002_other_versions_change_nothing(user: Account, tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    fields = {"Upload-Length": "1", "Upload-Offset": "0", "Content-Type": OFFSET_STREAM}
    old = [("POST", "/v1/uploads", OLD), ("HEAD", url, OLD), ("PATCH", url, OLD), ("DELETE", url, OLD)]
    for method, path, version in [("POST", "/v1/uploads", {}), *old]:
        response = await user.client.request(method, path, headers={**fields, **version})
        assert (response.status_code, response.headers["Tus-Version"]) == (412, "1.0.0")
    assert await tus.offset(url) == 0
    assert len((await user.client.get("/v1/uploads")).json()["items"]) == 1


async def test_ext_create_008_scn_basic_004_an_empty_file_is_no_image(user: Account, tus: TusClient) -> None:
    response = await tus.create(0)
    assert problem(response) == (415, "/problems/unsupported-media-type")
    assert (await user.client.get("/v1/uploads")).json()["items"] == []


async def test_ext_cwu_002_the_body_needs_its_type(user: Account, tus: TusClient) -> None:
    response = await tus.create(10, b"x", headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert (await user.client.get("/v1/uploads")).json()["items"] == []


@pytest.mark.parametrize("is_right", [True, False])
async def test_opt_csum_003_a_checksum_of_the_first_bytes(tus: TusClient, *, is_right: bool) -> None:
    body = png()
    sent = checksum(body if is_right else b"other")
    response = await tus.create(len(body), body, headers={"Upload-Checksum": sent})
    assert response.status_code == (201 if is_right else 460), response.text


async def test_opt_csum_001_a_checksum_of_no_bytes(tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    response = await tus.append(url, 0, b"", Upload_Checksum=checksum(b""))
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "0")


async def test_opt_csum_002_two_checksums_are_refused(tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    both = f"{checksum(b'x')},{checksum(b'x', 'sha256')}"
    assert (await tus.append(url, 0, b"x", Upload_Checksum=both)).status_code == 400


async def test_opt_conc_002_head_during_patch(user: Account, tus: TusClient) -> None:
    body = noise_png(400_000)
    url = (await tus.create(len(body))).headers["Location"]

    async def slow() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 40_000):
            yield body[start : start + 40_000]
            await asyncio.sleep(0.02)

    patch = asyncio.create_task(tus.append(url, 0, slow()))
    await asyncio.sleep(0.1)
    offset = await tus.offset(url)
    await asyncio.gather(patch, return_exceptions=True)
    assert await tus.offset(url) == offset
    last = await tus.append(url, offset, body[offset:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_opt_conc_003_ext_create_001_002_009_opt_url_concurrent_creations(tus: TusClient) -> None:
    responses = await asyncio.gather(*(tus.create(10, filename="same.png") for _ in range(10)))
    assert [response.status_code for response in responses] == [201] * 10
    locations = {response.headers["Location"] for response in responses}
    assert len(locations) == 10
    for location in locations:
        assert (await tus.head(location)).status_code == 200


async def test_opt_meta_004_metadata_of_eight_kilobytes(tus: TusClient) -> None:
    assert (await tus.create(10, note="x" * 6000)).status_code == 201


async def test_opt_time_001_003_an_idle_client_keeps_its_bytes(user: Account, settings: Settings) -> None:
    body = noise_png(100_000)
    changed = settings.model_copy(update={"upload_idle_seconds": 0.5})
    async with running_service(changed) as service:
        headers = {"Authorization": f"Bearer {user.access_token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            made = await client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(body))})
            url = made.headers["Location"]
            async with raw_connection(service.url) as connection:
                fields = {**TUS, **headers, "Content-Type": OFFSET_STREAM, "Upload-Offset": "0"}
                await connection.begin("PATCH", url, {**fields, "Content-Length": str(len(body))})
                await connection.send(body[:60_000])
                response = await connection.read_response()
            assert (response.status, response.json()["type"]) == (408, "/problems/upload-timeout")
            assert (await client.head(url, headers=TUS)).headers["Upload-Offset"] == "60000"


async def test_ext_expire_004_005_scn_error_003_an_expired_upload(tus: TusClient, sql: asyncpg.Connection) -> None:
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[:10])
    await expire(sql, url)
    assert (await tus.head(url)).status_code == 410
    assert (await tus.append(url, 10, body[10:])).status_code == 410
    assert (await tus.create(len(body), body)).status_code == 201


async def test_opt_exp_001_an_append_extends_the_time(tus: TusClient, sql: asyncpg.Connection) -> None:
    url = (await tus.create(10)).headers["Location"]
    upload_id = url.rpartition("/")[2]
    await sql.execute("UPDATE uploads SET expires_at = now() + interval '1 minute' WHERE id = $1", upload_id)
    before = parsedate_to_datetime((await tus.head(url)).headers["Upload-Expires"])
    response = await tus.append(url, 0, b"\x89")
    after = parsedate_to_datetime(response.headers["Upload-Expires"])
    assert after - before > timedelta(hours=1)
    assert (await tus.head(url)).headers["Upload-Expires"] == response.headers["Upload-Expires"]


async def test_opt_exp_002_a_completed_upload_does_not_expire(tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body)
    assert "Upload-Expires" not in made.headers
    assert "Upload-Expires" not in (await tus.head(made.headers["Location"])).headers


async def test_ext_term_005_the_image_of_a_cancelled_upload_remains(user: Account, tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body)
    assert (await tus.cancel(made.headers["Location"])).status_code == 204
    assert (await user.client.get(made.headers["Content-Location"])).status_code == 200
