import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from email import message_from_string
from email.utils import collapse_rfc2231_value

import asyncpg
import httpx
import pytest
from aiohttp import content_disposition_filename
from aiohttp.multipart import parse_content_disposition
from PIL import Image, ImageDraw
from starlette.types import Message

from app.core.settings import Settings
from app.images.content.content_response import ObjectResponse
from app.storage.chunks import PART_BYTES
from app.storage.download import OpenObject
from app.storage.object_store import ObjectStore
from tests.images.files import noise_png
from tests.support.accounts import Account
from tests.support.openapi import DOCUMENT
from tests.support.photos import image_bytes, png
from tests.support.raw_http import raw_connection
from tests.support.server import RunningService

pytestmark = pytest.mark.integration

BODY = png((60, 40))


async def make(account: Account, body: bytes = BODY, name: str = "a.png", **fields: str) -> dict[str, str]:
    response = await account.client.post("/v1/images", files={"image": (name, body)}, data=fields)
    assert response.status_code == 201, response.text
    links: dict[str, str] = response.json()["links"]
    return links


@pytest.fixture
async def content(user: Account) -> str:
    return (await make(user))["content"]


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=5-99999", 5, None),
        ("BYTES=2-3", 2, 4),
    ],
)
async def test_a_single_range(client: httpx.AsyncClient, content: str, value: str, start: int, end: int | None) -> None:
    response = await client.get(content, headers={"Range": value})
    assert response.status_code == 206
    assert response.content == BODY[start:end]
    first = start if start >= 0 else len(BODY) + start
    assert response.headers["content-range"] == f"bytes {first}-{first + len(response.content) - 1}/{len(BODY)}"
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("value", ["bytes=0-1,4-5", "bytes=a-b", "bytes=9-3", "lines=0-1", "bytes=-", "bytes 0-1", "x"])
async def test_other_values_of_range_give_the_whole_file(client: httpx.AsyncClient, content: str, value: str) -> None:
    response = await client.get(content, headers={"Range": value})
    assert (response.status_code, response.content) == (200, BODY)


@pytest.mark.parametrize("value", [f"bytes={len(BODY)}-", "bytes=999999999999999999-", "bytes=-0"])
async def test_a_range_outside_is_416(client: httpx.AsyncClient, content: str, value: str) -> None:
    response = await client.get(content, headers={"Range": value})
    assert (response.status_code, response.json()["type"]) == (416, "/problems/range-not-satisfiable")
    assert response.headers["content-range"] == f"bytes */{len(BODY)}"


async def test_if_range(client: httpx.AsyncClient, content: str) -> None:
    known = (await client.get(content)).headers
    span = {"Range": "bytes=0-3"}
    for same in (known["etag"], known["last-modified"]):
        assert (await client.get(content, headers={**span, "If-Range": same})).status_code == 206
    for other in ('"other"', f"W/{known['etag']}", "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert (await client.get(content, headers={**span, "If-Range": other})).content == BODY


async def test_conditional_reads(client: httpx.AsyncClient, content: str) -> None:
    known = (await client.get(content)).headers
    etag, modified = known["etag"], known["last-modified"]

    async def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await client.get(content, headers=sent)).status_code

    assert await status(If_None_Match=etag) == 304
    assert await status(If_None_Match=f'"x", W/{etag}') == 304
    assert await status(If_None_Match="*") == 304
    assert await status(If_None_Match='"x"') == 200
    assert await status(If_Modified_Since=modified) == 304
    assert await status(If_Modified_Since="Sun, 06 Nov 1994 08:49:37 GMT") == 200
    assert await status(If_Modified_Since="no date") == 200
    assert await status(If_None_Match='"x"', If_Modified_Since=modified) == 200
    assert await status(If_Match=etag) == 200
    assert await status(If_Match=f"W/{etag}") == 412
    assert await status(If_Unmodified_Since="Sun, 06 Nov 1994 08:49:37 GMT") == 412


async def test_head_has_the_headers_of_get(client: httpx.AsyncClient, content: str) -> None:
    got, head = await client.get(content), await client.head(content)
    same = ("etag", "content-length", "content-type", "accept-ranges", "last-modified", "content-disposition")
    assert {name: head.headers[name] for name in same} == {name: got.headers[name] for name in same}
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert head.headers["x-content-type-options"] == "nosniff"


NAMES = [
    'a "quoted" name.png',
    "naïve café.png",
    "猫とソファ.png",
    "🐈‍⬛ on 🛋.png",
    "100% semi;colon='x'.png",
    "a\u00a0b.png",
]


@pytest.mark.parametrize("name", NAMES)
async def test_names_survive_the_round_trip(user: Account, name: str) -> None:
    links = await make(user, png(), name)
    assert (await user.client.get(links["self"])).json()["name"] == name
    for download, kind in (("false", "inline"), ("true", "attachment")):
        header = (await user.client.get(links["content"], params={"download": download})).headers["content-disposition"]
        assert header.startswith(kind)
        _, parameters = parse_content_disposition(header)
        assert content_disposition_filename(parameters) == name
        # The standard library's, of RFC 2231; an extended value is a triple there.
        message = message_from_string(f"Content-Disposition: {header}\n\n")
        disposition = message.get_params(header="content-disposition") or []
        assert [collapse_rfc2231_value(value) for _, value in disposition if isinstance(value, tuple)] == [name]
        assert header.isascii()


def oriented() -> bytes:
    picture = Image.new("RGB", (400, 200), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, 100, 200), fill="red")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to see it upright
    exif.get_ifd(0x8825)[1] = "N"
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, quality=95)
    return buffer.getvalue()


async def test_a_thumbnail_is_upright_and_has_no_metadata(user: Account) -> None:
    links = await make(user, oriented(), "a.jpg")
    response = await user.client.get(links["thumbnail"], params={"size": 160})
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable, s-maxage=300"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size == (80, 160)
        top = picture.convert("RGB").getpixel((40, 10))
        assert isinstance(top, tuple)
        assert top[0] > 200
        assert top[1] < 60
        assert not picture.getexif()
        assert not {"exif", "icc_profile", "xmp"} & set(picture.info)


async def test_shared_caches_revalidate_a_thumbnail_and_learn_that_it_is_private(
    service: RunningService, user: Account
) -> None:
    links = await make(user, png())
    async with httpx.AsyncClient(base_url=service.url) as stranger:
        kept = {"If-None-Match": (await stranger.get(links["thumbnail"])).headers["etag"]}
        assert (await stranger.get(links["thumbnail"], headers=kept)).status_code == 304
        await user.client.patch(links["self"], json={"visibility": "private"})
        assert (await stranger.get(links["thumbnail"], headers=kept)).status_code == 404
    own = await user.client.get(links["thumbnail"])
    assert own.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_a_thumbnail_is_never_enlarged(user: Account) -> None:
    links = await make(user, png((30, 20)))
    response = await user.client.get(links["thumbnail"], params={"size": 1280})
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size == (30, 20)
    assert (await user.client.get(links["thumbnail"], params={"size": 161})).status_code == 422
    assert (await user.client.head(links["thumbnail"])).status_code == 200


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "P"), ("PNG", "I;16"), ("PNG", "LA"), ("PNG", "1"), ("JPEG", "CMYK"), ("GIF", "P")]
)
async def test_thumbnails_of_every_colour_mode(user: Account, kind: str, mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (300, 200)).save(buffer, kind)
    links = await make(user, buffer.getvalue())
    response = await user.client.get(links["thumbnail"], params={"size": 160})
    assert response.status_code == 200, response.text
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size == (160, 107)


async def test_concurrent_requests_make_a_thumbnail_once(user: Account) -> None:
    links = await make(user, image_bytes("JPEG", (2000, 1500)), "b.jpg")
    responses = await asyncio.gather(*(user.client.get(links["thumbnail"]) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    etag = responses[0].headers["etag"]
    assert (await user.client.get(links["thumbnail"], headers={"If-None-Match": etag})).status_code == 304


async def test_permanent_deletion_takes_the_objects_too(
    user: Account, object_store: ObjectStore, sql: asyncpg.Connection
) -> None:
    links = await make(user, image_bytes("PNG", (500, 500)))
    key = await sql.fetchval("SELECT storage_key FROM images")
    await user.client.get(links["thumbnail"])
    assert (await user.client.delete(links["self"], params={"permanent": "true"})).status_code == 204
    owner = key.removeprefix("originals/")
    assert not [one.key async for one in object_store.list_objects() if owner in one.key]
    for path in links.values():
        assert (await user.client.get(path)).status_code == 404


async def test_a_url_fetches_without_credentials(user: Account) -> None:
    links = await make(user, name="café.png", visibility="private")
    made = (await user.client.get(f"{links['self']}/url", params={"expires_in": 60})).json()
    async with httpx.AsyncClient() as stranger:
        got = await stranger.get(made["url"])
    assert got.content == BODY
    assert got.headers["content-type"] == "image/png"
    assert "caf%C3%A9.png" in got.headers["content-disposition"]
    for wrong in (59, 3601):
        assert (await user.client.get(f"{links['self']}/url", params={"expires_in": wrong})).status_code == 422


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [("cdn.example", "http://cdn.example/"), ("https://cdn.example:8443", "https://cdn.example:8443/")],
)
async def test_a_url_is_signed_for_the_name_that_clients_know(settings: Settings, endpoint: str, start: str) -> None:
    store = ObjectStore(settings.model_copy(update={"storage_public_endpoint": endpoint}))
    assert (await store.presign("key", timedelta(minutes=1), {})).startswith(start)
    await store.close()


async def test_a_private_image_is_404_for_other_accounts(
    user: Account, admin: Account, client: httpx.AsyncClient, make_account: Callable[..., Awaitable[Account]]
) -> None:
    links = await make(user, visibility="private")
    stranger = (await make_account()).client
    reads = [*links.values(), f"{links['self']}/url"]
    for other in (client, stranger):
        assert {(await other.get(path)).status_code for path in reads} == {404}
    for known in (user.client, admin.client):
        assert {(await known.get(path)).status_code for path in reads} == {200}
        for path in links.values():
            assert (await known.get(path)).headers["cache-control"].startswith("private")
    assert (await stranger.patch(links["self"], json={"name": "b.png"})).status_code == 404
    assert (await stranger.delete(links["self"])).status_code == 404
    assert (await stranger.put(f"{links['self']}/tags", json={"tags": []})).status_code == 404
    assert (await client.delete(links["self"])).status_code == 401
    assert (await client.get("/v1/images")).json()["items"] == []


async def test_a_missing_object_is_an_error_and_no_truncated_response(
    user: Account, object_store: ObjectStore, sql: asyncpg.Connection
) -> None:
    links = await make(user)
    await object_store.remove([await sql.fetchval("SELECT storage_key FROM images")])
    response = await user.client.get(links["content"])
    assert response.status_code == 404


async def test_reads_to_the_end_reuse_their_connection_and_aborted_ones_close_it(
    service: RunningService, user: Account, object_store: ObjectStore
) -> None:
    links = await make(user, noise_png(PART_BYTES), "big.png")
    held = object_store._reading_session.connector
    assert held is not None
    key = [one.key async for one in object_store.list_objects() if one.size > PART_BYTES][-1]
    async with object_store.open(key) as opened:
        assert sum([len(chunk) async for chunk in opened.chunks]) == opened.length
    idle = sum(len(connections) for connections in held._conns.values())
    async with object_store.open(key) as opened:
        await anext(opened.chunks)
    assert sum(len(connections) for connections in held._conns.values()) == idle - 1
    assert not held._acquired
    async with raw_connection(service.url) as connection:
        await connection.begin("GET", links["content"], {"Authorization": f"Bearer {user.access_token}"})
        await connection.reader.readexactly(1000)


async def test_a_disconnection_after_the_last_chunk_is_no_error(event_errors: list[object]) -> None:
    last_sent = asyncio.Event()

    async def receive() -> Message:
        await last_sent.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if not message.get("more_body", True):
            last_sent.set()
            # The task that waits for the disconnect ends first; its message comes after ours.
            await asyncio.sleep(0)

    async def chunks() -> AsyncIterator[bytes]:
        yield BODY

    response = ObjectResponse(AsyncExitStack(), OpenObject(len(BODY), chunks()), 200, {})
    await response({"type": "http"}, receive, send)
    await asyncio.sleep(0)
    assert event_errors == []


@pytest.fixture
async def event_errors() -> AsyncIterator[list[object]]:
    """The errors that the event loop's exception handler receives."""
    errors: list[object] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    yield errors
    loop.set_exception_handler(before)


def test_f22_the_description_says_how_long_a_presigned_url_lives() -> None:
    description = DOCUMENT["paths"]["/v1/images/{image_id}/url"]["get"]["description"]
    assert "cannot be revoked" in description
    assert "private" in description
