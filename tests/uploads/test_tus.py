"""tus 1.0.0: each requirement of the specification, with real images."""

import asyncio
import hashlib
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from app.authz.principal import Principal
from app.core.settings import Settings
from app.db.base import utc_now
from app.images.repository import TaggedImage
from app.storage.chunks import PART_BYTES
from app.uploads.open_uploads import OpenUploads
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.uploads.clients import TUS, TusClient, checksum, metadata, problem

MISSING = "/v1/uploads/00000000-0000-4000-8000-000000000000"
# Bytes beyond two parts, and bytes of an append.
SLOW_SIZES = [(1, PART_BYTES), (-1, 3_000_000), (0, 3_000_000), (-1, PART_BYTES + 7), (1, PART_BYTES + 7)]


@pytest.fixture
def tus(user: Account) -> TusClient:
    return TusClient(user)


async def test_an_upload_in_several_appends_becomes_an_image(user: Account, tus: TusClient, settings: Settings) -> None:
    body = noise_png(100_000)
    made = await tus.create(len(body), filename="photo.png", tags="cat, dog", visibility="private")
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, "0")
    url = made.headers["Location"]
    last, start = made, 0
    for end in (1, 2, 70_000, len(body) - 1, len(body)):
        head = await tus.head(url)
        assert (head.status_code, head.headers["Upload-Offset"]) == (200, str(start))
        assert (head.headers["Upload-Length"], head.headers["Cache-Control"]) == (str(len(body)), "no-store")
        for response in (last, head):
            assert response.headers["Tus-Resumable"] == "1.0.0"
            assert response.headers["Upload-Expires"].endswith(" GMT")
            remaining = parsedate_to_datetime(response.headers["Upload-Expires"]) - utc_now()
            assert abs(remaining - timedelta(hours=settings.upload_expiry_hours)) < timedelta(minutes=1)
        last = await tus.append(url, start, body[start:end])
        assert (last.status_code, last.headers["Upload-Offset"], last.content) == (204, str(end), b"")
        start = end
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(body)))
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert (image["name"], image["tags"], image["visibility"]) == ("photo.png", ["cat", "dog"], "private")
    assert image["sha256"] == hashlib.sha256(body).hexdigest()
    assert (await user.client.get(image["links"]["content"])).content == body
    assert await tus.offset(url) == len(body)


@pytest.mark.parametrize(
    ("extra", "step"),
    [
        (-1, PART_BYTES),
        (0, PART_BYTES),
        (1, 3_000_000),
        (0, PART_BYTES + 7),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW_SIZES),
    ],
)
async def test_sizes_around_a_whole_number_of_parts(user: Account, tus: TusClient, extra: int, step: int) -> None:
    picture = noise_png(2 * PART_BYTES - 200_000)
    body = picture + bytes(2 * PART_BYTES + extra - len(picture))
    url = (await tus.create(len(body))).headers["Location"]
    for start in range(0, len(body), step):
        response = await tus.append(url, start, body[start : start + step])
        assert response.status_code == 204, response.text
    image = (await user.client.get(response.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()
    assert (await user.client.get(image["links"]["content"])).content == body


async def test_the_first_request_can_have_the_whole_file_or_its_first_bytes(user: Account, tus: TusClient) -> None:
    body = png()
    made = await tus.create(len(body), body, filename="whole.png")
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, str(len(body)))
    assert (await user.client.get(made.headers["Content-Location"])).json()["name"] == "whole.png"
    body = png()
    made = await tus.create(len(body), body[:20])
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, "20")
    last = await tus.append(made.headers["Location"], 20, body[20:])
    assert (await user.client.get(f"{last.headers['Content-Location']}/content")).content == body


async def test_a_deferred_length_is_set_once(user: Account, tus: TusClient) -> None:
    body = png()
    url = (await tus.create(None)).headers["Location"]
    head = await tus.head(url)
    assert (head.headers["Upload-Defer-Length"], "Upload-Length" in head.headers) == ("1", False)
    assert (await tus.append(url, 0, body[:10])).status_code == 204
    assert (await tus.append(url, 10, body[10:20], Upload_Length=str(len(body)))).status_code == 204
    head = await tus.head(url)
    assert (head.headers["Upload-Length"], "Upload-Defer-Length" in head.headers) == (str(len(body)), False)
    assert problem(await tus.append(url, 20, body[20:], Upload_Length="5000"))[0] == 400
    last = await tus.append(url, 20, body[20:], Upload_Length=str(len(body)))
    assert (await user.client.get(last.headers["Content-Location"])).status_code == 200


async def test_a_length_cannot_change(tus: TusClient) -> None:
    url = (await tus.create(100)).headers["Location"]
    assert problem(await tus.append(url, 0, b"x", Upload_Length="50"))[0] == 400
    assert await tus.offset(url) == 0


async def test_metadata_comes_back_as_it_was_sent(tus: TusClient) -> None:
    sent = "is_confidential," + metadata(filename="a.png", filetype="image/png", note="ä\x00") + ",empty"
    url = (await tus.create(100, headers={"Upload-Metadata": sent})).headers["Location"]
    assert (await tus.head(url)).headers["Upload-Metadata"] == sent


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("filename !!!", 400),
        ("filename YQ==,filename YQ==", 400),
        (",", 400),
        ("filename YQ==,", 400),
        (metadata(filename="a/b"), 422),
        (metadata(filename="a\x07b"), 422),
        (metadata(filename=b"\xff\xfe"), 422),
        ("filename", 422),
        (metadata(tags="-bad"), 422),
        (metadata(visibility="secret"), 422),
        (metadata(on_conflict="overwrite"), 422),
        (metadata(sha256="abc"), 422),
        ("k" * 20_000, 400),
    ],
)
async def test_wrong_metadata_is_refused(tus: TusClient, sent: str, status: int) -> None:
    response = await tus.create(100, headers={"Upload-Metadata": sent})
    assert response.status_code == status, response.text
    assert response.headers["Tus-Resumable"] == "1.0.0"


async def test_the_protocol_is_discovered_without_credentials(user: Account) -> None:
    for path, version in (("/v1/uploads", {}), (MISSING, {}), ("/v1/uploads", {"Tus-Resumable": "0.1.0"})):
        response = await user.client.options(path, headers={"Authorization": "", **version})
        assert response.status_code == 204
        assert response.headers["Tus-Version"] == "1.0.0"
        extensions = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination"
        assert response.headers["Tus-Extension"] == extensions
        assert response.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert int(response.headers["Tus-Max-Size"]) > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "10", "Upload-Defer-Length": "1"}, 400),
        ({"Upload-Defer-Length": "2"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "1e3"}, 400),
        ({"Upload-Length": "9" * 14}, 413),
        ({"Upload-Length": "9" * 400}, 413),
    ],
)
async def test_wrong_lengths_are_refused(user: Account, headers: dict[str, str], status: int) -> None:
    response = await user.client.post("/v1/uploads", headers={**TUS, **headers})
    assert response.status_code == status, response.text
    assert (response.headers["Content-Type"], response.headers["Tus-Resumable"]) == (
        "application/problem+json",
        "1.0.0",
    )
    assert response.json()["detail"]


async def test_an_append_needs_its_type_and_its_offset(user: Account, tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    assert (await tus.append(url, 0, b"x", Content_Type="text/plain")).status_code == 415
    fields = {**TUS, "Content-Type": "application/offset+octet-stream"}
    assert (await user.client.patch(url, headers=fields, content=b"x")).status_code == 400
    wrong = await tus.append(url, 5, b"x")
    assert (wrong.status_code, wrong.headers["Upload-Offset"]) == (409, "0")
    assert (await tus.append(url, 0, b"x" * 11)).status_code == 413
    assert await tus.offset(url) == 0
    assert (await tus.append(url, int(wrong.headers["Upload-Offset"]), b"\x89")).status_code == 204
    head = await tus.head(MISSING)
    assert (head.status_code, "Upload-Offset" in head.headers) == (404, False)
    assert (await tus.append(MISSING, 0, b"x")).status_code == 404
    assert (await tus.cancel(MISSING)).status_code == 404


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_bytes_with_a_wrong_checksum_are_discarded(tus: TusClient, algorithm: str) -> None:
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    response = await tus.append(url, 0, body[:50], Upload_Checksum=checksum(b"other", algorithm))
    assert problem(response) == (460, "/problems/checksum-mismatch")
    assert await tus.offset(url) == 0
    assert (await tus.append(url, 0, body[:50], Upload_Checksum=checksum(body[:50], algorithm))).status_code == 204
    last = await tus.append(url, 50, body[50:], Upload_Checksum=checksum(b"other", algorithm))
    assert last.status_code == 460
    assert (await tus.append(url, 50, body[50:], Upload_Checksum=checksum(body[50:], algorithm))).status_code == 204


async def test_a_checksum_covers_several_parts(user: Account, tus: TusClient) -> None:
    body = noise_png(2 * PART_BYTES + 1_000_000)
    url = (await tus.create(len(body))).headers["Location"]
    assert (await tus.append(url, 0, body[:100], Upload_Checksum=checksum(body[:100]))).status_code == 204
    middle = body[100 : 2 * PART_BYTES]
    assert (await tus.append(url, 100, middle, Upload_Checksum=checksum(b""))).status_code == 460
    assert await tus.offset(url) == 100
    assert (await tus.append(url, 100, middle, Upload_Checksum=checksum(middle))).status_code == 204
    last = await tus.append(url, 2 * PART_BYTES, body[2 * PART_BYTES :])
    image = (await user.client.get(last.headers["Content-Location"])).json()
    assert image["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("value", ["md5 YQ==", "sha1", "sha1 YQ==", "sha1 !!", "crc32"])
async def test_a_malformed_checksum_is_400(tus: TusClient, value: str) -> None:
    url = (await tus.create(10)).headers["Location"]
    assert (await tus.append(url, 0, b"x", Upload_Checksum=value)).status_code == 400


async def test_a_cancelled_upload_is_410(tus: TusClient) -> None:
    url = (await tus.create(10)).headers["Location"]
    await tus.append(url, 0, b"x")
    assert (await tus.cancel(url)).status_code == 204
    assert (await tus.head(url)).status_code == 410
    assert (await tus.append(url, 1, b"x")).status_code == 410
    assert (await tus.cancel(url)).status_code == 410


async def test_methods_can_be_overridden(user: Account, tus: TusClient) -> None:
    body = png()
    url = (await tus.create(len(body))).headers["Location"]
    fields = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    response = await user.client.post(url, headers={**fields, "X-HTTP-Method-Override": "PATCH"}, content=body)
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(len(body)))
    head = await user.client.post(url, headers={**TUS, "X-HTTP-Method-Override": "HEAD"})
    assert head.headers["Upload-Offset"] == str(len(body))
    assert (await user.client.post(url, headers={**TUS, "X-HTTP-Method-Override": "PUT"})).status_code == 405


async def test_a_declared_digest_of_a_visible_image_needs_no_bytes(tus: TusClient) -> None:
    body = png()
    first = await tus.create(len(body), body, filename="first.png")
    digest = hashlib.sha256(body).hexdigest()
    made = await tus.create(len(body), filename="second.png", sha256=digest)
    assert (made.status_code, made.headers["Upload-Offset"]) == (201, str(len(body)))
    assert made.headers["Content-Location"] == first.headers["Content-Location"]
    assert await tus.offset(made.headers["Location"]) == len(body)
    deferred = await tus.create(None, sha256=digest)
    assert (deferred.status_code, deferred.headers["Upload-Offset"]) == (201, str(len(body)))
    assert (await tus.head(deferred.headers["Location"])).headers["Upload-Length"] == str(len(body))
    other = await tus.create(len(body), sha256="ab" * 32)
    response = await tus.append(other.headers["Location"], 0, body)
    assert problem(response) == (422, "/problems/validation-error")
    assert (await tus.head(other.headers["Location"])).status_code == 410


async def test_a_declared_digest_of_an_image_that_is_deleted_meanwhile_needs_the_bytes(
    user: Account, tus: TusClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = png()
    first = await tus.create(len(body), body)
    find_stored = OpenUploads.find_stored

    async def find_and_delete(uploads: OpenUploads, sha256: bytes, principal: Principal) -> TaggedImage | None:
        stored = await find_stored(uploads, sha256, principal)
        await user.client.delete(first.headers["Content-Location"], params={"permanent": "true"})
        return stored

    monkeypatch.setattr(OpenUploads, "find_stored", find_and_delete)
    made = await tus.create(len(body), sha256=hashlib.sha256(body).hexdigest())
    assert (made.status_code, made.headers.get("Upload-Offset")) == (201, "0")
    assert (await tus.append(made.headers["Location"], 0, body)).status_code == 204


async def test_names_in_use(user: Account, tus: TusClient) -> None:
    body = png()
    await tus.create(len(body), body, filename="a.png")
    taken = await tus.create(10, filename="a.png")
    assert problem(taken) == (409, "/problems/name-taken")
    renamed = await tus.create(len(body), body, filename="a.png", on_conflict="rename")
    assert (await user.client.get(renamed.headers["Content-Location"])).json()["name"] == "a (2).png"


async def test_uploads_of_both_kinds_that_race_for_a_name_get_different_ones(user: Account, tus: TusClient) -> None:
    async def send(number: int) -> int:
        body = png()
        if number % 2:
            made = await tus.create(len(body), body, filename="a.png", on_conflict="rename", tags="cat,dog")
            return made.status_code
        form = {"on_conflict": "rename", "tags": "cat,dog"}
        response = await user.client.post("/v1/images", data=form, files={"image": ("a.png", body)}, timeout=60)
        return response.status_code

    assert await asyncio.gather(*map(send, range(12))) == [201] * 12
    items = (await user.client.get("/v1/images?limit=100")).json()["items"]
    expected = {"a.png", *(f"a ({number}).png" for number in range(2, 13))}
    assert (len(items), {image["name"] for image in items}) == (12, expected)
    assert all(image["tags"] == ["cat", "dog"] for image in items)


async def test_a_file_that_is_no_image_ends_the_upload(tus: TusClient) -> None:
    text = b"This is no image. " * 100
    url = (await tus.create(len(text), filename="a.png")).headers["Location"]
    response = await tus.append(url, 0, text)
    assert problem(response) == (415, "/problems/unsupported-media-type")
    assert response.headers["Tus-Resumable"] == "1.0.0"
    assert (await tus.head(url)).status_code == 410
