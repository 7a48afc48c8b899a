import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest
from PIL import Image

from app.core.settings import Settings
from app.images.upload.filenames import numbered_name
from app.storage.chunks import PART_BYTES
from app.storage.object_store import ObjectStore
from tests.images.files import noise_jpeg, noise_png
from tests.support.accounts import Account
from tests.support.photos import image_bytes, png
from tests.support.raw_http import BOUNDARY_HEADERS, RawConnection, bearer, file_part, raw_connection
from tests.support.server import RunningService, running_service

pytestmark = pytest.mark.integration


async def upload(
    account: Account, body: bytes, name: str = "a.png", headers: dict[str, str] | None = None, **fields: object
) -> httpx.Response:
    files = {"image": (name, body, "application/octet-stream")}
    return await account.client.post("/v1/images", files=files, data=fields, headers=headers, timeout=60)


async def nothing_is_left(sql: asyncpg.Connection, object_store: ObjectStore) -> bool:
    rows = await sql.fetchval("SELECT (SELECT count(*) FROM images) + (SELECT count(*) FROM orphaned_objects)")
    return (
        rows == 0 and not [one async for one in object_store.list_objects()] and not await object_store.list_uploads()
    )


@pytest.fixture(autouse=True)
async def _empty_bucket(empty_bucket: ObjectStore) -> None:
    """Start each test without objects of earlier ones."""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIC"])
async def test_every_format_comes_back_as_it_was(user: Account, kind: str) -> None:
    body = image_bytes(kind, (40, 30))
    response = await upload(user, body, f"a.{kind}")
    assert response.status_code == 201, response.text
    image = response.json()
    assert image["content_type"] == f"image/{kind.lower()}"
    assert (image["width"], image["height"], image["size"]) == (40, 30, len(body))
    content = await user.client.get(image["links"]["content"])
    assert content.content == body
    assert content.headers["content-type"] == image["content_type"]
    page = await user.client.get("/v1/images", params={"q": f"type:{kind.lower()}"})
    assert [one["id"] for one in page.json()["items"]] == [image["id"]]


@pytest.mark.parametrize("extra", [-1, 0, 1])
async def test_sizes_around_a_whole_number_of_parts(user: Account, object_store: ObjectStore, extra: int) -> None:
    picture = noise_png(2 * PART_BYTES - 200_000)
    body = picture + bytes(2 * PART_BYTES + extra - len(picture))
    response = await upload(user, body)
    assert response.status_code == 201, response.text
    assert response.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert (await user.client.get(response.json()["links"]["content"])).content == body
    assert not await object_store.list_uploads()


async def test_a_damaged_file_of_many_parts_leaves_nothing(
    user: Account, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    body = noise_png(PART_BYTES + 500_000)
    response = await upload(user, body[:-300_000])
    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-image")
    assert await nothing_is_left(sql, object_store)
    assert (await upload(user, body)).status_code == 201


async def test_a_large_jpeg_is_decoded_from_the_store(user: Account) -> None:
    body = noise_jpeg(PART_BYTES + 100_000)
    response = await upload(user, body, "a.jpg")
    assert response.status_code == 201, response.text


async def test_fields_may_stand_after_the_file(user: Account) -> None:
    boundary = "b"
    file = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + png() + b"\r\n"
    tags = b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\nsofa,cat\r\n--b--\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    response = await user.client.post("/v1/images", content=file + tags, headers=headers)
    assert response.json()["tags"] == ["cat", "sofa"]


async def test_a_taken_name_is_refused_before_the_body_is_read(
    service: RunningService, user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    first = (await upload(user, png(), "same.png")).json()
    async with raw_connection(service.url) as connection:
        await connection.begin("POST", "/v1/images", bearer(user, Content_Length="1000"))
        choice = b'--b\r\nContent-Disposition: form-data; name="on_conflict"\r\n\r\nerror\r\n'
        await connection.send(choice + file_part("same.png") + b"\x89")
        response = await connection.read_response()
    assert (response.status, response.json()["image"]) == (409, first["links"]["self"])
    await user.client.patch(first["links"]["self"], json={"visibility": "private"})
    hidden = await upload(await make_account(), png(), "same.png")
    assert hidden.status_code == 409
    assert "image" not in hidden.json()


@pytest.mark.parametrize("order", ["before", "after"])
async def test_f26_a_name_in_use_is_numbered_on_request(
    user: Account, make_account: Callable[..., Awaitable[Account]], order: str
) -> None:
    """For any owner of the name, and any position of the field."""
    stranger = await make_account()
    await upload(stranger, png(), "IMG_0001.JPG", visibility="private")
    fields: list[tuple[str, tuple[str | None, bytes]]] = [
        ("on_conflict", (None, b"rename")),
        ("image", ("IMG_0001.JPG", png())),
    ]
    for expected in ("IMG_0001 (2).JPG", "IMG_0001 (3).JPG"):
        parts = fields if order == "before" else fields[::-1]
        response = await user.client.post("/v1/images", files=parts)
        assert response.status_code == 201, response.text
        assert response.json()["name"] == expected
    refused = await upload(user, png(), "IMG_0001.JPG")
    assert (refused.status_code, "image" in refused.json()) == (409, False)


async def test_f26_uploads_that_race_for_a_name_get_different_ones(user: Account) -> None:
    responses = await asyncio.gather(*(upload(user, png(), "a.png", on_conflict="rename") for _ in range(12)))
    assert {response.status_code for response in responses} == {201}
    expected = {"a.png", *(f"a ({number}).png" for number in range(2, 13))}
    assert {response.json()["name"] for response in responses} == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", "a (2)"),
        (".hidden", ".hidden (2)"),
        ("a.tar.gz", "a.tar (2).gz"),
        ("x" * 251 + ".png", "x" * 247 + " (2).png"),
        ("\U0001f431" * 248 + ".png", "\U0001f431" * 247 + " (2).png"),
        ("a." + "b" * 30, "a." + "b" * 30 + " (2)"),
    ],
)
def test_f26_numbered_names_keep_their_extension_and_fit(name: str, expected: str) -> None:
    assert numbered_name(name, 2) == expected


async def test_one_of_many_that_race_for_a_name_wins(
    user: Account, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    bodies = [png() for _ in range(12)]
    responses = await asyncio.gather(*(upload(user, body, "race.png") for body in bodies))
    codes = sorted(response.status_code for response in responses)
    assert codes == [201] + [409] * 11
    winner = next(response.json() for response in responses if response.status_code == 201)
    assert hashlib.sha256((await user.client.get(winner["links"]["content"])).content).hexdigest() == winner["sha256"]
    assert len([one async for one in object_store.list_objects()]) == 1
    assert await sql.fetchval("SELECT count(*) FROM orphaned_objects") == 0


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (b"", 415, "unsupported-media-type"),
        (b"x", 415, "unsupported-media-type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-media-type"),
        (b"%PDF-1.7 and so on and on", 415, "unsupported-media-type"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), 422, "invalid-image"),
        (png()[:-20], 422, "invalid-image"),
        (image_bytes("JPEG", (400, 300))[:-200], 422, "invalid-image"),
    ],
)
async def test_a_file_that_is_no_image_leaves_nothing(
    user: Account, sql: asyncpg.Connection, object_store: ObjectStore, body: bytes, status: int, slug: str
) -> None:
    response = await upload(user, body)
    assert (response.status_code, response.json()["type"]) == (status, f"/problems/{slug}")
    assert await nothing_is_left(sql, object_store)


async def test_bad_fields_after_the_file_leave_nothing(
    user: Account, sql: asyncpg.Connection, object_store: ObjectStore
) -> None:
    for fields in ({"tags": "-x"}, {"visibility": "secret"}, {"colour": "red"}):
        file = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + png() + b"\r\n"
        ((name, value),) = fields.items()
        field = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b--\r\n'.encode()
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        response = await user.client.post("/v1/images", content=file + field, headers=headers)
        assert response.status_code == 422
        assert await nothing_is_left(sql, object_store)


async def test_a_file_in_the_wrong_field_is_reported(user: Account) -> None:
    response = await user.client.post("/v1/images", files={"picture": ("x.png", png(), "image/png")})
    assert (response.status_code, response.json()["errors"]) == (
        422,
        [
            {
                "loc": ["body", "picture"],
                "msg": "The field is unknown. The accepted fields are: image, tags, visibility, on_conflict.",
                "type": "extra_forbidden",
            }
        ],
    )


async def test_limits_of_the_settings(settings: Settings, user: Account) -> None:
    tight = settings.model_copy(update={"max_upload_bytes": 2000, "max_image_pixels": 2000})
    async with running_service(tight) as service:
        url = f"{service.url}/v1/images"
        async with raw_connection(service.url) as connection:
            await connection.begin("POST", "/v1/images", bearer(user, Content_Length=str(3 * 1024 * 1024)))
            assert (await connection.read_response()).json()["type"] == "/problems/payload-too-large"
        long = await user.client.post(url, files={"image": ("a.png", png() + bytes(2000))})
        assert (long.status_code, long.json()["type"]) == (413, "/problems/payload-too-large")
        wide = await user.client.post(url, files={"image": ("b.png", png((50, 41)))})
        assert (wide.status_code, wide.json()["type"]) == (422, "/problems/image-too-large")


async def test_a_slow_or_silent_upload_is_408(settings: Settings, user: Account) -> None:
    impatient = settings.model_copy(update={"upload_idle_seconds": 0.3, "upload_min_bytes_per_second": 100})

    async def trickle(connection: RawConnection) -> None:
        while True:
            await connection.send(b"x")
            await asyncio.sleep(0.02)

    async with running_service(impatient) as service:
        for trickling in (False, True):
            async with raw_connection(service.url) as connection:
                await connection.begin("POST", "/v1/images", bearer(user, Content_Length="1000"))
                await connection.send(b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\n')
                trickler = asyncio.create_task(trickle(connection)) if trickling else None
                response = await connection.read_response()
                assert (response.status, response.json()["type"]) == (408, "/problems/upload-timeout")
                assert response.headers["connection"] == "close"
                if trickler is not None:
                    trickler.cancel()


async def test_duplicates_are_reported_to_accounts_that_may_see_them(
    user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    body, other = png(), await make_account()
    first = (await upload(user, body, "1.png")).json()
    secret = (await upload(user, body, "2.png", visibility="private")).json()
    assert first["duplicates"] == []
    assert secret["duplicates"] == [first["links"]["self"]]
    assert (await upload(other, body, "3.png")).json()["duplicates"] == [first["links"]["self"]]
    third = (await upload(user, body, "4.png")).json()["duplicates"]
    assert third[:2] == [first["links"]["self"], secret["links"]["self"]]


async def test_the_same_key_and_upload_give_the_same_response(user: Account, sql: asyncpg.Connection) -> None:
    body, key = png(), {"Idempotency-Key": "k-1"}
    first = await upload(user, body, headers=key, tags="cat")
    second = await upload(user, body, headers=key, tags="cat")
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert await sql.fetchval("SELECT count(*) FROM images") == 1
    for other in (upload(user, png(), headers=key, tags="cat"), upload(user, body, headers=key, tags="dog")):
        response = await other
        assert (response.status_code, response.json()["type"]) == (422, "/problems/idempotency-mismatch")


async def test_a_failed_upload_frees_its_key(user: Account, sql: asyncpg.Connection) -> None:
    key = {"Idempotency-Key": "k-2"}
    assert (await upload(user, b"nothing", headers=key)).status_code == 415
    assert await sql.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    made = await upload(user, png(), headers=key)
    assert made.status_code == 201
    await user.client.delete(made.json()["links"]["self"])
    assert (await upload(user, png(), headers=key)).status_code == 201


async def test_keys_belong_to_accounts(user: Account, make_account: Callable[..., Awaitable[Account]]) -> None:
    other, key = await make_account(), {"Idempotency-Key": "k-3"}
    assert (await upload(user, png(), "1.png", headers=key)).status_code == 201
    assert (await upload(other, png(), "2.png", headers=key)).status_code == 201


async def test_a_key_of_an_upload_in_progress_is_409(user: Account, sql: asyncpg.Connection) -> None:
    going = asyncio.Event()
    body, key = png(), {"Idempotency-Key": "k-4"}

    async def slow() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="s.png"\r\n\r\n' + body[:30]
        await going.wait()
        yield body[30:] + b"\r\n--b--\r\n"

    first = asyncio.create_task(user.client.post("/v1/images", content=slow(), headers=BOUNDARY_HEADERS | key))  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        while not await sql.fetchval("SELECT count(*) FROM idempotency_keys"):
            await asyncio.sleep(0.01)
    second = await upload(user, body, "s.png", headers=key)
    assert (second.status_code, second.json()["type"]) == (409, "/problems/idempotency-in-progress")
    going.set()
    assert (await first).status_code == 201


@pytest.mark.usefixtures("sql")
async def test_f21_keys_without_an_account_belong_to_the_address(settings: Settings) -> None:
    changes = {"anonymous_upload": True, "trusted_proxies": ["127.0.0.1"]}
    own, stranger = png(), png()

    async def send(address: str, name: str, body: bytes) -> httpx.Response:
        headers = {"Idempotency-Key": "k-5", "X-Forwarded-For": address}
        return await client.post("/v1/images", files={"image": (name, body, "image/png")}, headers=headers)

    async with (
        running_service(settings.model_copy(update=changes)) as service,
        httpx.AsyncClient(base_url=service.url) as client,
    ):
        first = await send("2001:db8::1", "mine.png", own)
        assert first.status_code == 201, first.text
        for number, address in enumerate(("192.0.2.1", "2001:db8:0:1::1")):
            response = await send(address, f"{number}.png", stranger)
            assert response.status_code == 201, response.text
        assert (await send("2001:db8::2", "mine.png", own)).json() == first.json()
        assert (await send("2001:db8::2", "mine.png", stranger)).status_code == 422


async def test_anonymous_uploads_need_the_setting(settings: Settings, client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/images", files={"image": ("a.png", png())})).status_code == 401
    async with running_service(settings.model_copy(update={"anonymous_upload": True})) as service:
        url = f"{service.url}/v1/images"
        made = await client.post(url, files={"image": ("a.png", png())})
        assert (made.status_code, made.json()["uploaded_by"]) == (201, None)
        private = await client.post(url, files={"image": ("b.png", png())}, data={"visibility": "private"})
        assert private.status_code == 422


async def test_the_extended_file_name_is_understood(user: Account) -> None:
    head = b"--b\r\nContent-Disposition: form-data; name=\"image\"; filename*=UTF-8''na%C3%AFve.png\r\n\r\n"
    response = await user.client.post("/v1/images", content=head + png() + b"\r\n--b--\r\n", headers=BOUNDARY_HEADERS)
    assert response.json()["name"] == "naïve.png"


async def test_a_picture_of_the_largest_size_fits_the_decoder(user: Account) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (10_000, 10_000)).save(buffer, "PNG", compress_level=1)
    response = await upload(user, buffer.getvalue())
    assert response.status_code == 201, response.text
