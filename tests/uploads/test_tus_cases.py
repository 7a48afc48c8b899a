"""The cases of tus 1.0.0 that a public list of conformance tests names, beyond those of `test_tus.py`.

A test is named by the numbers of its cases. Without `Tus-Resumable`, a request is one of Resumable Uploads for HTTP, so
the cases that expect 412 for it apply only to creation.
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
from app.db.base import utc_now
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.support.server import running_service
from tests.uploads.clients import OFFSET_STREAM, TUS, TusClient, checksum, metadata, problem

MISSING = "/v1/uploads/00000000-0000-4000-8000-000000000000"


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


async def expire(sql: asyncpg.Connection, url: str) -> None:
    await sql.execute("UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = $1", url.rpartition("/")[2])


async def test_cp_err_001_002_errors_have_a_body_and_the_version(tus: TusClient) -> None:
    answer = await tus.create(None, headers={"Upload-Length": "1"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.headers["Tus-Resumable"] == "1.0.0"


async def test_cp_head_001_002_004_006_007_state_of_a_new_upload(tus: TusClient) -> None:
    head = await tus.head((await tus.create(12)).headers["Location"])
    assert (head.status_code, head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (200, "0", "12")
    assert (head.headers["Cache-Control"], head.headers["Tus-Resumable"]) == ("no-store", "1.0.0")


async def test_cp_head_005_a_missing_upload_has_no_offset(tus: TusClient) -> None:
    head = await tus.head(MISSING)
    assert (head.status_code, "Upload-Offset" in head.headers) == (404, False)


async def test_cp_opt_002_003_options_ignores_the_version(user: Account) -> None:
    for headers in ({}, {"Tus-Resumable": "0.1.0"}):
        answer = await user.client.options("/v1/uploads", headers=headers)
        assert (answer.status_code, answer.headers["Tus-Version"].split(",")[0]) == (204, "1.0.0")


@pytest.mark.parametrize("offset", ["-1", "abc", "1.5", ""])
async def test_cp_patch_004_the_offset_is_a_number(tus: TusClient, offset: str) -> None:
    url = (await tus.create(10)).headers["Location"]
    assert (await tus.append(url, 0, b"x", Upload_Offset=offset)).status_code == 400
    assert await tus.offset(url) == 0


async def test_cp_patch_006_007_009_a_successful_append(tus: TusClient) -> None:
    body = png()
    answer = await tus.append((await tus.create(len(body))).headers["Location"], 0, body[:9])
    assert (answer.status_code, answer.headers["Upload-Offset"], answer.content) == (204, "9", b"")
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
async def test_cp_ver_001_002_other_versions_change_nothing(user: Account, tus: TusClient, method: str) -> None:
    url = (await tus.create(10)).headers["Location"]
    path = "/v1/uploads" if method == "POST" else url
    fields = {"Tus-Resumable": "0.2.2", "Upload-Length": "1", "Upload-Offset": "0", "Content-Type": OFFSET_STREAM}
    answer = await user.client.request(method, path, headers=fields)
    assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert await tus.offset(url) == 0
    assert len((await user.client.get("/v1/uploads")).json()["items"]) == 1


async def test_ext_create_001_002_009_opt_url_locations_differ(tus: TusClient) -> None:
    locations = [(await tus.create(10)).headers["Location"] for _ in range(3)]
    assert len(set(locations)) == 3
    for location in locations:
        assert (await tus.head(location)).status_code == 200


async def test_ext_create_008_scn_basic_004_an_empty_file_is_no_image(user: Account, tus: TusClient) -> None:
    answer = await tus.create(0)
    assert problem(answer) == (415, "/problems/unsupported-media-type")
    assert (await user.client.get("/v1/uploads")).json()["items"] == []


async def test_ext_cwu_001_003_004_the_rest_follows(user: Account, tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body[:20])
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, "20")
    last = await tus.append(made.headers["Location"], 20, body[20:])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_ext_cwu_002_the_body_needs_its_type(user: Account, tus: TusClient) -> None:
    answer = await tus.create(10, b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert (await user.client.get("/v1/uploads")).json()["items"] == []


@pytest.mark.parametrize("is_right", [True, False])
async def test_opt_csum_003_a_checksum_of_the_first_bytes(tus: TusClient, *, is_right: bool) -> None:
    body = png()
    sent = checksum(body if is_right else b"other")
    answer = await tus.create(len(body), body, headers={"Upload-Checksum": sent})
    assert answer.status_code == (201 if is_right else 460), answer.text


async def test_opt_csum_001_a_checksum_of_no_bytes(tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    answer = await tus.append(url, 0, b"", Upload_Checksum=checksum(b""))
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "0")


async def test_opt_csum_002_two_checksums_are_refused(tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    both = f"{checksum(b'x')},{checksum(b'x', 'sha256')}"
    assert (await tus.append(url, 0, b"x", Upload_Checksum=both)).status_code == 400


async def test_ext_defer_004_a_deferred_length_is_set_once(tus: TusClient) -> None:
    body = png()
    url = (await tus.create(None)).headers["Location"]
    assert (await tus.append(url, 0, body[:10], Upload_Length=str(len(body)))).status_code == 204
    head = await tus.head(url)
    assert (head.headers["Upload-Length"], "Upload-Defer-Length" in head.headers) == (str(len(body)), False)
    assert (await tus.append(url, 10, body[10:20], Upload_Length="5000")).status_code == 400
    assert (await tus.append(url, 10, body[10:20], Upload_Length=str(len(body)))).status_code == 204


async def test_opt_comp_001_002_a_completed_upload(user: Account, tus: TusClient) -> None:
    body = png()
    url = (await tus.create(len(body), body)).headers["Location"]
    again = await tus.append(url, len(body), b"")
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(len(body)))
    assert (await tus.append(url, 0, body)).status_code == 409
    assert await tus.offset(url) == len(body)
    assert len((await user.client.get("/v1/images")).json()["items"]) == 1


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


async def test_opt_conc_003_concurrent_creations(tus: TusClient) -> None:
    answers = await asyncio.gather(*(tus.create(10, filename="same.png") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.headers["Location"] for answer in answers}) == 10


async def test_opt_meta_003_006_keys_without_a_value(tus: TusClient) -> None:
    sent = f"is_confidential,{metadata(filename='a.png')}"
    made = await tus.create(10, headers={"Upload-Metadata": sent})
    assert made.status_code == 201
    assert (await tus.head(made.headers["Location"])).headers["Upload-Metadata"] == sent


async def test_opt_meta_004_metadata_of_eight_kilobytes(tus: TusClient) -> None:
    assert (await tus.create(10, note="x" * 6000)).status_code == 201


async def test_scn_resume_001_002_003_004_many_cycles(user: Account, tus: TusClient) -> None:
    body = noise_png(50_000)
    url = (await tus.create(len(body))).headers["Location"]
    for end in (1, 2, 25_000, len(body) - 1, len(body)):
        offset = await tus.offset(url)
        answer = await tus.append(url, offset, body[offset:end])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
    image = (await user.client.get(answer.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


async def test_scn_error_001_opt_err_002_a_wrong_offset_is_corrected(tus: TusClient) -> None:
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    await tus.append(url, 0, body[:30])
    wrong = await tus.append(url, 10, body[10:])
    assert wrong.status_code == 409
    offset = int(wrong.headers["Upload-Offset"])
    assert (await tus.append(url, offset, body[offset:])).status_code == 204


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
                answer = await connection.answer()
            assert (answer.status, answer.json()["type"]) == (408, "/problems/upload-timeout")
            assert (await client.head(url, headers=TUS)).headers["Upload-Offset"] == "60000"


async def test_ext_expire_001_002_003_opt_exp_003_format(tus: TusClient, settings: Settings) -> None:
    made = await tus.create(10)
    appended = await tus.append(made.headers["Location"], 0, b"\x89")
    for answer in (made, appended, await tus.head(made.headers["Location"])):
        expires = answer.headers["Upload-Expires"]
        assert expires.endswith(" GMT")
        remaining = parsedate_to_datetime(expires) - utc_now()
        assert abs(remaining - timedelta(hours=settings.upload_expiry_hours)) < timedelta(minutes=1)


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
    answer = await tus.append(url, 0, b"\x89")
    after = parsedate_to_datetime(answer.headers["Upload-Expires"])
    assert after - before > timedelta(hours=1)
    assert (await tus.head(url)).headers["Upload-Expires"] == answer.headers["Upload-Expires"]


async def test_opt_exp_002_a_completed_upload_does_not_expire(tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body)
    assert "Upload-Expires" not in made.headers
    assert "Upload-Expires" not in (await tus.head(made.headers["Location"])).headers


async def test_ext_term_004_a_missing_upload_cannot_be_cancelled(tus: TusClient) -> None:
    assert (await tus.cancel(MISSING)).status_code == 404


async def test_ext_term_005_the_image_of_a_cancelled_upload_remains(user: Account, tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body)
    assert (await tus.cancel(made.headers["Location"])).status_code == 204
    assert (await user.client.get(made.headers["Content-Location"])).status_code == 200
