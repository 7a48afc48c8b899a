"""A client behind nginx and Caddy, with the configurations of docs/how-to/run-behind-a-proxy.md."""

import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest
from playwright.async_api import Response, expect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.rate_limit import RateLimitSettings
from app.core.settings import Settings
from app.db.database import Database
from app.main import create_app
from tests.support.accounts import PASSWORD, Account, add_account
from tests.support.browser import TIMEOUT_MS, chromium
from tests.support.photos import image_bytes
from tests.support.reverse_proxy import HOST, free_port, reverse_proxy, trust
from tests.support.server import serving

MIB = 1024 * 1024
MAX_UPLOAD_BYTES = 25 * MIB
SIGN_INS_A_MINUTE = 3
CLIENT, OTHER_CLIENT = "127.0.0.2", "127.0.0.3"
BOUNDARY = "----proxy"
ADDRESSES = """
    [...document.querySelectorAll("[href], [src], [action]")].flatMap((one) =>
        ["href", "src", "action"].map((name) => one.getAttribute(name)).filter((value) => value?.startsWith("/")))
"""


class BodyMeter:
    """Counts the body bytes that reach the application."""

    def __init__(self, app: ASGIApp, threshold: int) -> None:
        self._app = app
        self._threshold = threshold
        self.reached = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received >= self._threshold:
                self.reached.set()
            return message

        await self._app(scope, counting_receive if scope["type"] == "http" else receive, send)


@dataclass(frozen=True, slots=True)
class Site:
    """A proxy at `url` in front of a service. `connect` makes a client with an address of its own."""

    url: str
    prefix: str
    meter: BodyMeter
    account: Account
    connect: Callable[[str], httpx.AsyncClient]


@pytest.fixture(params=["nginx", pytest.param("caddy", marks=pytest.mark.slow)])
def program(request: pytest.FixtureRequest) -> str:
    """The program of the proxy."""
    return str(request.param)


@pytest.fixture(params=["", "/images-api"], ids=["host", "prefix"])
async def site(
    request: pytest.FixtureRequest,
    program: str,
    settings: Settings,
    database: Database,
    sql: asyncpg.Connection,  # noqa: ARG001
    tmp_path: Path,
) -> AsyncIterator[Site]:
    """The service behind the proxy, at a host of its own and under a path."""
    port, prefix = free_port(), str(request.param)
    url = f"https://{HOST}:{port}{prefix}"
    rates = RateLimitSettings(account="1000/minute", address=f"{SIGN_INS_A_MINUTE}/minute", total="1000/minute")
    changes = {
        "public_url": url,
        "trusted_proxies": [HOST],
        "max_upload_bytes": MAX_UPLOAD_BYTES,
        "login_limits": rates,
    }
    meter = BodyMeter(create_app(settings.model_copy(update=changes)), 5 * MIB)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(serving(meter))
        certificate = await stack.enter_async_context(reverse_proxy(program, tmp_path, port, upstream, prefix))

        def connect(address: str) -> httpx.AsyncClient:
            transport = httpx.AsyncHTTPTransport(verify=trust(certificate), local_address=address)
            return httpx.AsyncClient(base_url=url, transport=transport, timeout=60)

        account = await add_account(upstream, settings, database, "person@example.com", is_admin=True)
        stack.push_async_callback(account.client.aclose)
        yield Site(url, prefix, meter, account, connect)


@asynccontextmanager
async def signed_in(site: Site, address: str = CLIENT) -> AsyncIterator[httpx.AsyncClient]:
    async with site.connect(address) as client:
        client.headers["Authorization"] = f"Bearer {site.account.access_token}"
        yield client


def form(name: str, file: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


def large_png() -> bytes:
    """Return a picture with 20 MiB of a private chunk, which is quick to decode."""
    png, size = image_bytes("PNG", (64, 64)), 20 * MIB
    kind_and_data = b"prVt" + os.urandom(size)
    chunk = size.to_bytes(4, "big") + kind_and_data + zlib.crc32(kind_and_data).to_bytes(4, "big")
    after_header = 8 + 25
    return png[:after_header] + chunk + png[after_header:]


async def post(client: httpx.AsyncClient, content: AsyncIterator[bytes] | bytes) -> httpx.Response:
    return await client.post(
        "/v1/images", content=content, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )


async def test_an_upload_is_streamed_and_its_location_and_ranges_work(site: Site) -> None:
    file = large_png()
    body = form("large.png", file)

    async def halves() -> AsyncIterator[bytes]:
        yield body[: 10 * MIB]
        # A proxy that stores the body first sends nothing before its end.
        async with asyncio.timeout(30):
            await site.meter.reached.wait()
        yield body[10 * MIB :]

    async with signed_in(site) as client:
        stored = await post(client, halves())
        assert stored.status_code == 201, stored.text
        assert stored.headers["location"] == f"{site.prefix}/v1/images/{stored.json()['id']}"
        found = await client.get(stored.url.join(stored.headers["location"]))
        assert found.json()["id"] == stored.json()["id"]
        part = await client.get(f"/v1/images/{stored.json()['id']}/content", headers={"Range": "bytes=1000000-1000099"})
        assert (part.status_code, part.content) == (206, file[1000000:1000100])
        assert part.headers["content-range"] == f"bytes 1000000-1000099/{len(file)}"
        whole = await client.get(f"/v1/images/{stored.json()['id']}/content")
        assert whole.content == file


async def test_a_refused_upload_is_a_problem_document(site: Site, program: str) -> None:
    if program == "caddy":
        pytest.skip("Caddy closes an HTTP/1.1 connection with an unread body; the guide names this limit")
    async with signed_in(site) as client:
        refused = await post(client, form("huge.png", b"x" * (MAX_UPLOAD_BYTES + MIB)))
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == f"{site.prefix}/problems/payload-too-large"


async def test_records_and_rate_limits_have_the_address_of_the_client(site: Site) -> None:
    async with site.connect(CLIENT) as client, site.connect(OTHER_CLIENT) as other:
        attempts = [await sign_in(client, number) for number in range(SIGN_INS_A_MINUTE + 1)]
        assert attempts == [401] * SIGN_INS_A_MINUTE + [429]
        assert await sign_in(other, 0) == 401
    async with signed_in(site) as client, asyncio.timeout(30):
        addresses: set[str] = set()
        # Other tests share the request log.
        while not {CLIENT, OTHER_CLIENT} <= addresses:
            await asyncio.sleep(0.1)
            records = await client.get("/v1/ops/requests", params={"route": "/v1/auth/token", "limit": 100})
            addresses = {record["client"] for record in records.json()["items"]}
    assert not [address for address in addresses if address and address.startswith("198.51.100.")]


async def sign_in(client: httpx.AsyncClient, number: int) -> int:
    form = {"grant_type": "password", "username": f"stranger{number}@example.com", "password": "wrong"}
    # The proxy replaces the address that a client claims to have.
    claimed = {"X-Forwarded-For": f"198.51.100.{number}"}
    return (await client.post("/v1/auth/token", data=form, headers=claimed)).status_code


async def test_an_encoded_path_reaches_the_service_unchanged(site: Site) -> None:
    async with signed_in(site) as client:
        await client.post("/v1/tags", json={"names": ["über"]})
        assert (await client.get("/v1/tags/%C3%BCber")).json()["name"] == "über"


async def test_metrics_are_closed_to_the_outside(site: Site) -> None:
    async with site.connect(CLIENT) as client:
        for path in ("/metrics", "/%6detrics", "/v1/../metrics"):
            assert (await client.get(path)).status_code in (403, 404), path


async def test_a_browser_reads_the_documentation_and_the_operators_pages(site: Site) -> None:
    async with chromium() as browser:
        context = await browser.new_context(ignore_https_errors=True)
        context.set_default_timeout(TIMEOUT_MS)
        page = await context.new_page()
        failures: list[str] = []
        page.on("response", lambda response: failures.append(response.url) if response.status >= 400 else None)
        # Without the slash at the end, which the proxy adds.
        await page.goto(site.url)
        await page.click("footer >> text=API")
        await page.wait_for_selector(".opblock")
        await page.goto(f"{site.url}/ops")
        await page.fill("#email", site.account.email)
        await page.fill("#password", PASSWORD)
        await page.click("text=Sign in >> nth=-1")
        await expect(page.locator("#updated")).to_have_text(re.compile(r"\d:\d"))
        await page.click("nav >> text=Requests")
        await page.click("td.request a >> nth=0")
        await page.click("text=Sign out")
        await page.wait_for_selector("#email")
        assert failures == []


@pytest.mark.parametrize("site", ["/images-api"], indirect=True)
async def test_the_gallery_stays_under_its_path(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(image_bytes("PNG", (300, 200)))
    async with chromium() as browser:
        context = await browser.new_context(ignore_https_errors=True, base_url=f"{site.url}/")
        context.set_default_timeout(TIMEOUT_MS)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda response: faults.extend(faults_of(response, site)))
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))

        await page.goto("sign-up")
        await page.get_by_label("E-mail").fill("member@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign up").click()
        await page.get_by_role("link", name="Upload", exact=True).click()
        (cookie,) = await context.cookies()
        assert (cookie["path"], cookie["secure"], cookie["httpOnly"]) == (f"{site.prefix}/", True, True)
        # The second upload of the same file finds the first one by its digest.
        for tags in ("cat", "animal"):
            await page.get_by_label("Tags for these pictures").fill(tags)
            await page.locator("#chosen-files").set_input_files(file)
            await expect(page.get_by_role("link", name="Stored", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Skip picture.png", exact=True).click()
        await expect(page.get_by_role("link", name="Stored already", exact=True)).to_be_visible()

        await page.get_by_role("link", name="Stored", exact=True).click()
        await expect(page.locator("#tags")).to_contain_text("animal")
        await page.get_by_role("button", name="Make private").click()
        await expect(page.get_by_role("button", name="Make public")).to_be_visible()
        await page.locator("#tags").get_by_role("link", name="cat").click()
        await expect(page.get_by_label("Narrow the search")).to_be_hidden()
        await page.get_by_role("button", name="Select", exact=True).click()
        await page.get_by_role("button", name="Select all shown").click()
        await page.get_by_role("button", name="Move to the trash").click()
        await expect(page.locator("#messages")).to_contain_text("in the trash")
        await page.get_by_role("link", name="Trash", exact=True).click()
        await page.get_by_role("button", name="Restore").click()
        await expect(page.locator("#messages")).to_contain_text("restored")

        for path in ("", "?q=cat", "?q=nothing+cat", "?q=(", "i/nothing", "upload", "trash", "account"):
            await page.goto(path)
            addresses = await page.evaluate(ADDRESSES)
            assert addresses
            assert [one for one in addresses if not one.startswith(f"{site.prefix}/")] == []
        await page.get_by_role("button", name="Sign out").first.click()
        await page.goto("trash")
        await expect(page).to_have_url(f"{site.url}/sign-in?next=%2Ftrash")
        assert faults == []


def faults_of(response: Response, site: Site) -> list[str]:
    """Return the address if it is outside of the path, or failed; the pages that show an error are expected to."""
    is_error_page = response.request.resource_type == "document"
    is_fault = not response.url.startswith((f"{site.url}/", "blob:")) or (response.status >= 400 and not is_error_page)
    return [f"{response.status} {response.url}"] if is_fault else []
