"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload-12) with real images."""

import base64
import hashlib
from collections.abc import AsyncIterator

import pytest

from app.storage.chunks import PART_BYTES
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.photos import png
from tests.support.raw_http import raw_connection
from tests.uploads.clients import HttpClient, TusClient, problem

IANA = "https://iana.org/assignments/http-problem-types#"


@pytest.fixture
def uploads(user: Account) -> HttpClient:
    return HttpClient(user)


async def test_an_upload_in_three_requests_becomes_an_image(user: Account, uploads: HttpClient) -> None:
    body = noise_png(PART_BYTES + 300_000)
    made = await uploads.create(body[:1000], complete=False, length=len(body), name="phone.png")
    assert (made.status_code, made.headers["Upload-Complete"]) == (201, "?0")
    assert (made.headers["Upload-Offset"], "max-size=" in made.headers["Upload-Limit"]) == ("1000", True)
    url = made.headers["Location"]
    response = await uploads.append(url, 1000, body[1000:PART_BYTES], complete=False)
    assert (response.status_code, response.headers["Upload-Complete"]) == (204, "?0")
    head = await uploads.head(url)
    assert (head.status_code, head.headers["Upload-Offset"]) == (204, str(PART_BYTES))
    assert (head.headers["Upload-Complete"], head.headers["Upload-Length"]) == ("?0", str(len(body)))
    assert head.headers["Cache-Control"] == "no-store"
    last = await uploads.append(url, PART_BYTES, body[PART_BYTES:], complete=True)
    assert (last.status_code, last.headers["Upload-Complete"]) == (201, "?1")
    image = last.json()
    assert (image["name"], image["sha256"]) == ("phone.png", hashlib.sha256(body).hexdigest())
    assert (await user.client.get(image["links"]["content"])).content == body
    head = await uploads.head(url)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Complete"]) == (str(len(body)), "?1")
    again = await uploads.append(url, len(body), b"", complete=True)
    assert (again.status_code, again.json()["id"]) == (201, image["id"])


async def test_one_request_can_be_the_whole_upload(user: Account, uploads: HttpClient) -> None:
    body = png()
    made = await uploads.create(body, complete=True, name="ä.png")
    assert (made.status_code, made.headers["Upload-Complete"]) == (201, "?1")
    assert made.json()["name"] == "ä.png"
    assert made.headers["Content-Location"] == made.json()["links"]["self"]
    assert (await user.client.get(made.json()["links"]["content"])).content == body
    assert (await uploads.head(made.headers["Location"])).headers["Upload-Complete"] == "?1"


@pytest.mark.parametrize("size", [PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 1000])
async def test_one_request_can_be_an_upload_of_several_parts(user: Account, uploads: HttpClient, size: int) -> None:
    body = noise_png(size)
    made = await uploads.create(body, complete=True, name=f"{size}.png")
    assert made.status_code == 201, made.text
    assert (made.json()["size"], made.json()["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert (await user.client.get(made.json()["links"]["content"])).content == body
    tus = TusClient(user)
    begun = await tus.create(len(body), body[:-10], filename=f"{size}-tus.png")
    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, str(len(body) - 10))
    assert (await tus.append(begun.headers["Location"], len(body) - 10, body[-10:])).status_code == 204


async def test_an_upload_of_unknown_length(user: Account, uploads: HttpClient) -> None:
    body = noise_png(200_000)

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:100_000]
        yield body[100_000:]

    url = (await uploads.create(complete=False)).headers["Location"]
    assert "Upload-Length" not in (await uploads.head(url)).headers
    last = await uploads.append(url, 0, chunks(), complete=True)
    assert last.status_code == 201, last.text
    assert (await user.client.get(last.json()["links"]["content"])).content == body


async def test_a_client_that_knows_them_gets_an_interim_response(user: Account) -> None:
    body = png()
    async with raw_connection(str(user.client.base_url)) as connection:
        headers = {
            "Authorization": f"Bearer {user.access_token}",
            "Upload-Complete": "?1",
            "Upload-Draft-Interop-Version": "8",
            "Content-Length": str(len(body)),
        }
        await connection.begin("POST", "/v1/uploads", headers)
        interim = await connection.read_response()
        assert (interim.status, interim.headers["upload-draft-interop-version"]) == (104, "8")
        await connection.send(body)
        response = await connection.read_response()
    assert (response.status, response.headers["location"]) == (201, interim.headers["location"])


async def test_an_offset_that_does_not_match_is_409(uploads: HttpClient) -> None:
    url = (await uploads.create(b"x" * 32, complete=False, length=100)).headers["Location"]
    response = await uploads.append(url, 5, b"y", complete=False)
    assert problem(response) == (409, f"{IANA}mismatching-upload-offset")
    assert (response.json()["expected-offset"], response.json()["provided-offset"]) == (32, 5)
    assert (response.headers["Upload-Offset"], response.headers["Upload-Complete"]) == ("32", "?0")


async def test_lengths_that_contradict_each_other_are_400(uploads: HttpClient) -> None:
    made = await uploads.create(b"12345", complete=True, length=100)
    assert problem(made) == (400, f"{IANA}inconsistent-upload-length")
    assert (made.headers["Upload-Complete"], "Upload-Limit" in made.headers) == ("?0", True)
    url = (await uploads.create(complete=False, length=50)).headers["Location"]
    assert (await uploads.append(url, 0, b"x", complete=False, Upload_Length="60")).status_code == 400
    assert (await uploads.append(url, 0, b"x", complete=True)).status_code == 400
    assert (await uploads.head(url)).headers["Upload-Offset"] == "0"
    assert (await uploads.append(url, 0, b"x" * 51, complete=False)).status_code == 400
    assert (await uploads.head(url)).status_code == 410


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Complete": "true"}, 400),
        ({"Upload-Complete": "?1", "Upload-Length": "999999999999999"}, 400),
        ({"Upload-Complete": "?0", "Upload-Length": "999999999999999"}, 413),
        ({"Upload-Complete": "?0", "Content-Disposition": 'inline; filename="a/b"'}, 422),
        ({"Upload-Complete": "?0", "Content-Disposition": 'inline; filename="a"; filename="b"'}, 400),
    ],
)
async def test_wrong_creations_are_refused(user: Account, headers: dict[str, str], status: int) -> None:
    response = await user.client.post("/v1/uploads", headers=headers)
    assert response.status_code == status, response.text


async def test_an_append_needs_its_fields(user: Account, uploads: HttpClient) -> None:
    url = (await uploads.create(complete=False, length=50)).headers["Location"]
    fields = {"Content-Type": "application/partial-upload", "Upload-Offset": "0", "Upload-Complete": "?0"}
    assert (await user.client.patch(url, headers={**fields, "Content-Type": "text/plain"})).status_code == 415
    for missing in ("Upload-Offset", "Upload-Complete"):
        kept = {name: value for name, value in fields.items() if name != missing}
        assert (await user.client.patch(url, headers=kept, content=b"x")).status_code == 400
    assert (await user.client.patch(url, headers={**fields, "Upload-Offset": "abc"})).status_code == 400
    for name, value in (("Upload-Offset", "0"), ("Upload-Complete", "?0")):
        assert (await user.client.head(url, headers={name: value})).status_code == 400


async def test_a_wrong_content_digest_is_400(uploads: HttpClient) -> None:
    body = png()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    right = await uploads.create(body, complete=True, Content_Digest=f"sha-256=:{digest}:")
    assert right.status_code == 201
    wrong = await uploads.create(body + b"x", complete=True, Content_Digest=f"sha-256=:{digest}:")
    assert problem(wrong) == (400, "/problems/digest-mismatch")


async def test_a_declared_digest_of_a_visible_image_needs_no_bytes(uploads: HttpClient) -> None:
    body = png()
    image = (await uploads.create(body, complete=True)).json()
    encoded = base64.b64encode(image["sha256"].encode()).decode()
    response = await uploads.create(complete=False, length=len(body), Upload_Metadata=f"sha256 {encoded}")
    assert (response.status_code, response.json()["id"]) == (200, image["id"])
    assert response.headers["Content-Location"] == image["links"]["self"]


async def test_uploads_in_progress_are_listed_for_their_account(user: Account, uploads: HttpClient) -> None:
    url = (await uploads.create(b"x" * 10, complete=False, length=50, name="a.png")).headers["Location"]
    (item,) = (await user.client.get("/v1/uploads")).json()["items"]
    assert (item["name"], item["offset"], item["length"]) == ("a.png", 10, 50)
    assert url.endswith(item["id"])
    await user.client.delete(url)
    assert (await user.client.get("/v1/uploads")).json()["items"] == []
