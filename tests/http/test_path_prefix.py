"""Behind a proxy that removes the path of PUBLIC_URL, headers and pages have that path. Bodies do not."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.identity_providers import IdentityProvider
from app.core.settings import Settings
from app.db.database import Database
from tests.support.accounts import PASSWORD, Account, add_account
from tests.support.photos import png
from tests.support.server import RunningService, running_service
from tests.users.openid_server import CLIENT_ID, CLIENT_SECRET, openid_server

pytestmark = pytest.mark.integration

PREFIX = "/images-api"


@pytest.fixture(scope="module", params=["", PREFIX], ids=["without a prefix", "with a prefix"])
def prefix(request: pytest.FixtureRequest) -> str:
    """The path of PUBLIC_URL."""
    return str(request.param)


@asynccontextmanager
async def service_under(prefix: str, settings: Settings) -> AsyncIterator[RunningService]:
    changes = {"public_url": f"http://127.0.0.1{prefix}", "cors_origins": ["https://gallery.example.org"]}
    async with running_service(settings.model_copy(update=changes)) as service:
        yield service


@pytest.fixture(scope="module")
async def _prefixed(settings: Settings, prefix: str) -> AsyncIterator[RunningService]:
    async with service_under(prefix, settings) as service:
        yield service


@pytest.fixture
def prefixed(_prefixed: RunningService, sql: asyncpg.Connection) -> RunningService:  # noqa: ARG001 - it empties
    """A service whose PUBLIC_URL has the prefix, with empty tables. Its requests have none, as behind the proxy."""
    return _prefixed


@pytest.fixture
async def person(prefixed: RunningService, settings: Settings, database: Database) -> AsyncIterator[Account]:
    """An admin who is signed in."""
    account = await add_account(prefixed.url, settings, database, "person@example.com", is_admin=True)
    yield account
    await account.client.aclose()


async def upload(client: httpx.AsyncClient, name: str = "a.png") -> httpx.Response:
    stored = await client.post("/v1/images", files={"image": (name, png())}, data={"tags": "cat,dog"})
    assert stored.status_code == 201, stored.text
    return stored


async def test_the_location_of_a_new_resource_has_the_prefix(person: Account, prefix: str) -> None:
    client = person.client
    image = await upload(client)
    assert image.headers["location"] == f"{prefix}/v1/images/{image.json()['id']}"
    assert image.json()["links"]["self"] == f"/v1/images/{image.json()['id']}"
    tags = await client.post("/v1/tags", json={"names": ["bird"]})
    assert tags.headers["location"] == f"{prefix}/v1/tags"
    signed_up = await client.post("/v1/users", json={"email": "new@example.com", "password": "long enough 1"})
    assert signed_up.headers["location"] == f"{prefix}/v1/users/me"
    key = await client.post("/v1/users/me/api-keys", json={"name": "script", "scopes": ["read"]})
    assert key.headers["location"] == f"{prefix}/v1/users/me/api-keys/{key.json()['id']}"
    invitation = await client.post("/v1/users/invitations", json={})
    assert invitation.headers["location"] == f"{prefix}/v1/users/invitations/{invitation.json()['id']}"


async def test_the_link_to_the_next_page_has_the_prefix(person: Account, prefix: str) -> None:
    for name in ("a.png", "b.png"):
        await upload(person.client, name)
    for path in ("/v1/images", "/v1/tags", "/v1/ops/requests"):
        for _ in range(2):  # the second response comes from the cache
            page = await person.client.get(path, params={"limit": 1})
            assert page.headers["link"].startswith(f"<{prefix}{path}?limit=1&cursor="), path


async def test_the_type_of_a_problem_resolves(person: Account, prefix: str) -> None:
    refusals = (
        await person.client.get("/v1/images/nothing"),
        await person.client.get("/v1/users", params={"unknown": 1}),
        await person.client.put("/v1/images"),
        await person.client.get("/nothing"),
    )
    for refused in refusals:
        kind = refused.json()["type"]
        assert kind.startswith(f"{prefix}/problems/")
        described = await person.client.get(kind.removeprefix(prefix))
        assert described.json()["type"] == kind


async def test_the_type_of_a_refusal_before_the_application_has_the_prefix(
    prefixed: RunningService, prefix: str
) -> None:
    async with httpx.AsyncClient(base_url=prefixed.url) as client:
        refused = await client.get("/", headers={"X-Large": "x" * 100_000})
        assert (refused.status_code, refused.json()["type"]) == (431, f"{prefix}/problems/request-head-too-large")
        origin = {"Origin": "https://stranger.example", "Access-Control-Request-Method": "GET"}
        preflight = await client.options("/v1/images", headers=origin)
        assert preflight.json()["type"] == f"{prefix}/problems/bad-request"


async def test_the_type_of_an_unhandled_error_has_the_prefix(settings: Settings, prefix: str) -> None:
    # A service of its own, because a route that is added replaces the OpenAPI document.
    async with service_under(prefix, settings) as service, httpx.AsyncClient(base_url=service.url) as client:

        @service.app.get("/broken")
        async def fail() -> None:
            raise RuntimeError("broken on purpose")

        assert (await client.get("/broken")).json()["type"] == f"{prefix}/problems/internal-error"


@pytest.mark.parametrize("page", ["/", "/docs", "/redoc", "/problems", "/problems/not-found", "/ops/login"])
async def test_the_links_of_a_page_have_the_prefix(prefixed: RunningService, prefix: str, page: str) -> None:
    async with httpx.AsyncClient(base_url=prefixed.url, headers={"Accept": "text/html"}) as client:
        links = re.findall(r"""(?:href|src|action|url|spec-url)=?[:\s]*["'](/[^"']*)""", (await client.get(page)).text)
        assert links
        for link in links:
            assert link.startswith(f"{prefix}/"), link
            response = await client.get(link.removeprefix(prefix))
            assert response.status_code in (200, 303, 405), link


async def test_the_openapi_document_names_the_prefix(prefixed: RunningService, prefix: str) -> None:
    async with httpx.AsyncClient(base_url=prefixed.url) as client:
        document = (await client.get("/openapi.json")).json()
        swagger = (await client.get("/docs")).text
    assert document["servers"][0]["url"] == (prefix or "/")
    assert "/v1/images" in document["paths"]
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert (flow["tokenUrl"], flow["refreshUrl"]) == (f"{prefix}/v1/auth/token", f"{prefix}/v1/auth/token")
    assert f"window.location.origin + '{prefix}/docs/oauth2-redirect'" in swagger


async def test_robots_are_refused_under_the_prefix(prefixed: RunningService, prefix: str) -> None:
    async with httpx.AsyncClient(base_url=prefixed.url) as client:
        lines = (await client.get("/robots.txt")).text.splitlines()
    assert lines == ["User-agent: *", f"Disallow: {prefix}/v1/", f"Disallow: {prefix}/ops"]


async def test_the_operators_stay_under_the_prefix(prefixed: RunningService, person: Account, prefix: str) -> None:
    async with httpx.AsyncClient(base_url=prefixed.url, headers={"Origin": prefixed.url}) as client:
        assert (await client.get("/ops")).headers["location"] == f"{prefix}/ops/login"
        blanks = await client.get("/ops/requests", params={"route": "", "status": "404"})
        assert blanks.headers["location"] == f"{prefix}/ops/requests?status=404"
        signed_in = await client.post("/ops/login", data={"email": person.email, "password": PASSWORD})
        assert signed_in.headers["location"] == f"{prefix}/ops"
        cookie = signed_in.headers["set-cookie"]
        assert f"; Path={prefix}/ops;" in cookie
        signed_out = await client.post("/ops/logout", headers={"Cookie": cookie.partition(";")[0]})
        assert signed_out.headers["location"] == f"{prefix}/ops/login"
        assert f"; Path={prefix}/ops;" in signed_out.headers["set-cookie"]


async def test_a_social_login_stays_under_the_prefix(settings: Settings, prefix: str, sql: asyncpg.Connection) -> None:  # noqa: ARG001
    public_url = f"http://127.0.0.1{prefix}"
    callback = f"{public_url}/v1/auth/social/local/callback"
    async with openid_server(callback) as provider:
        local = IdentityProvider(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))
        changes = {"public_url": public_url, "social_providers": {"local": local}}
        async with (
            running_service(settings.model_copy(update=changes)) as service,
            httpx.AsyncClient(base_url=service.url) as client,
        ):
            items = (await client.get("/v1/auth/social")).json()["items"]
            assert items == [{"name": "local", "authorize_url": f"{prefix}/v1/auth/social/local"}]
            started = await client.get("/v1/auth/social/local")
            assert parse_qs(urlsplit(started.headers["location"]).query)["redirect_uri"] == [callback]
            assert f"; Path={prefix}/v1/auth/social;" in started.headers["set-cookie"]
