"""The Python client against the service, and against the responses of a proxy."""

import asyncio
import io
import subprocess
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import VERSION
from app.db.database import Database
from client.python.imts_client import (
    ApiError,
    ImageClient,
    PasswordAuth,
    Visibility,
    expect,
    iterate_items,
    iterate_items_async,
)
from client.python.imts_client.generated.api.images import add_image_tags, list_images, read_content, read_thumbnail
from client.python.imts_client.generated.api.tags import list_tags
from client.python.imts_client.generated.api.users import list_sessions
from client.python.imts_client.generated.models import (
    ImagePage,
    ImageRead,
    SessionPage,
    TagPage,
    TagsAddition,
    ThumbnailSize,
)
from client.python.imts_client.generated.types import File, Unset
from client.python.imts_client.image_client import DigestMismatch
from tests.images.files import noise_png
from tests.support.accounts import PASSWORD, Account, add_api_key
from tests.support.paths import ROOT
from tests.support.photos import png
from tests.support.server import RunningService, serving
from tests.support.tcp_proxy import fault_proxy

MakeAccount: TypeAlias = Callable[..., Awaitable[Account]]
MB = 1_000_000


async def test_f72_the_python_client_makes_a_round_trip(
    service: RunningService, database: Database, user: Account, tmp_path: Path
) -> None:
    key = await add_api_key(database, user, "read", "write")
    await asyncio.to_thread(round_trip, service.url, key, tmp_path)


def round_trip(url: str, key: str, folder: Path) -> None:
    photos = {name: png() for name in ("round trip.png", "b.png", "c.png")}
    with ImageClient(url, key) as client:
        for name, photo in photos.items():
            (folder / name).write_bytes(photo)
            uploaded = client.upload(folder / name, ["round trip"], Visibility.PRIVATE)
            assert (uploaded.name, uploaded.tags) == (name, ["round trip"])
        assert [image.name for image in client.search('"round trip"', sort="name")] == sorted(photos)
        image = next(client.search("name:round*"))

        def page(cursor: str | Unset) -> ImagePage:
            return expect(list_images.sync_detailed(client=client.api, limit=1, cursor=cursor), ImagePage)

        assert len(list(iterate_items(page))) == len(photos)
        assert client.get_image(image.id) == image
        content = expect(read_content.sync_detailed(image.id, client=client.api), File)
        assert content.payload.read() == photos["round trip.png"]
        size = ThumbnailSize.VALUE_160
        thumbnail = expect(read_thumbnail.sync_detailed(image.id, client=client.api, size=size), File)
        assert thumbnail.payload.read()[8:12] == b"WEBP"

        tagged = add_image_tags.sync_detailed(image.id, client=client.api, body=TagsAddition(tags=["one"]))
        assert expect(tagged, ImageRead).tags == ["one", "round trip"]
        assert client.tag('"round trip" -one', add=["two"], dry_run=True).changed == 2
        result = client.tag('"round trip" -one', add=["two"], remove=["round trip"])
        assert (result.matched, result.changed, bool(result.batch)) == (2, 2, True)
        assert len(list(client.search("two"))) == 2
        client.download(image, folder / "copy.png")
        assert (folder / "copy.png").read_bytes() == photos["round trip.png"]
        with pytest.raises(ApiError) as raised:
            client.upload(folder / "b.png")
        assert (raised.value.status, raised.value.slug) == (409, "name-taken")
        assert client.upload(folder / "b.png", rename=True).name == "b (2).png"
        with pytest.raises(ApiError, match="not closed") as refused:
            next(client.search("(cat"))
        assert refused.value.slug == "invalid-query"
        assert refused.value.problem["position"] == 4


async def test_lists_are_paged_from_asyncio(service: RunningService, user: Account) -> None:
    await user.client.post("/v1/tags", json={"names": [f"tag {number}" for number in range(5)]})
    client = ImageClient(service.url, user.access_token)

    async def page(cursor: str | Unset) -> TagPage:
        return expect(await list_tags.asyncio_detailed(client=client.api, limit=2, cursor=cursor), TagPage)

    assert len([tag.name async for tag in iterate_items_async(page)]) == 5
    await client.aclose()


async def test_a_resumable_upload_continues_after_a_broken_connection(
    service: RunningService, user: Account, tmp_path: Path
) -> None:
    body = noise_png(6 * MB)
    path = tmp_path / "large.png"
    path.write_bytes(body)
    moves: list[int] = []
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(bytes_per_second=20 * MB)
        with ImageClient(f"http://{proxy.address}", user.access_token) as client:
            upload = asyncio.to_thread(client.upload, path, ["large"], resumable=True, progress=moves.append)
            uploading = asyncio.create_task(upload)
            async with asyncio.timeout(30):
                while proxy.sent < 4 * MB:
                    await asyncio.sleep(0.005)
            proxy.cut()
            image = await uploading
            assert (image.size, image.tags) == (len(body), ["large"])
            assert moves[-1] == len(body)
            # The second connection began at the offset of the server.
            assert proxy.sent < 9 * MB

            # A download continues from its hidden file.
            part = tmp_path / f".{image.id}.part"
            part.write_bytes(body[: 5 * MB])
            proxy.set()
            await asyncio.to_thread(client.download, image, tmp_path / "copy.png")
            assert (tmp_path / "copy.png").read_bytes() == body
            assert not part.exists()
            part.write_bytes(bytes(5 * MB))
            with pytest.raises(DigestMismatch):
                await asyncio.to_thread(client.download, image, tmp_path / "copy.png")
            assert not part.exists()


async def test_a_password_signs_in_refreshes_and_signs_in_again(service: RunningService, user: Account) -> None:
    await asyncio.to_thread(sign_in, service.url, user.email)
    with ImageClient(service.url, auth=PasswordAuth(user.email, "wrong password")) as client:
        with pytest.raises(ApiError) as raised:
            await asyncio.to_thread(lambda: next(client.search()))
        assert raised.value.slug == "invalid-credentials"


def sign_in(url: str, email: str) -> None:
    auth = PasswordAuth(email, PASSWORD)
    with ImageClient(url, auth=auth) as client:

        def sessions() -> set[str]:
            page = expect(list_sessions.sync_detailed(client=client.api), SessionPage)
            return {str(one.id) for one in page.items}

        before = sessions()
        auth._renew_at = time.monotonic()
        # A refreshed token belongs to the same session.
        assert sessions() == before
        first = auth._access_token
        client.api.get_httpx_client().post("/v1/auth/logout")
        assert sessions() != before
        assert auth._access_token != first


class Proxy:
    """Responds with these responses, one after another, and then with the last one."""

    def __init__(self, *responses: Response) -> None:
        self._responses = responses
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        await self._responses[min(self.requests, len(self._responses) - 1)](scope, receive, send)
        self.requests += 1


def busy(status: int, retry_after: str) -> Response:
    return Response('{"message": "busy"}', status, {"Retry-After": retry_after}, "application/json")


async def test_requests_are_repeated_while_the_service_is_busy() -> None:
    page = Response('{"items": [], "query": "", "next_cursor": null}', media_type="application/json")
    proxy = Proxy(busy(429, "0"), busy(503, "Wed, 21 Oct 2015 07:28:00 GMT"), page)
    assert await found(proxy) == []
    assert proxy.requests == 3
    always = Proxy(busy(429, "0"))
    with pytest.raises(ApiError, match="status 429"):
        await found(always)
    assert always.requests == 5


async def test_a_page_of_a_proxy_is_an_error_of_the_api() -> None:
    with pytest.raises(ApiError, match="status 502") as raised:
        await found(Proxy(HTMLResponse("<h1>Bad Gateway</h1>", 502)))
    assert raised.value.slug is None


async def found(proxy: ASGIApp) -> list[ImageRead]:
    async with serving(proxy) as url:
        with ImageClient(url) as client:
            return await asyncio.to_thread(lambda: list(client.search()))


async def test_a_form_is_sent_again(service: RunningService, user: Account) -> None:
    async with fault_proxy(service.url.removeprefix("http://")) as proxy:
        proxy.set(unavailable=1)
        headers = dict(user.client.headers)
        with ImageClient(f"http://{proxy.address}", user.access_token) as client:
            files = {"image": ("again.png", io.BytesIO(png()))}
            http_client = client.api.get_httpx_client()
            response = await asyncio.to_thread(http_client.post, "/v1/images", files=files, headers=headers)
    assert response.status_code == httpx.codes.CREATED


def test_the_python_client_is_a_distribution_of_its_own() -> None:
    project = tomllib.loads((ROOT / "client" / "python" / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    program = "import imts_client, sys; assert 'app' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT / "client" / "python", check=True)  # noqa: S603
