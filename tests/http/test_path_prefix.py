"""Behind a proxy that removes the path of PUBLIC_URL, headers and pages have that path. Bodies do not."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.core.settings import Settings
from app.db.database import Database
from tests.support.accounts import Account, add_account
from tests.support.photos import png
from tests.support.server import RunningService, running_service

PREFIX = "/images-api"


@pytest.fixture(params=["", PREFIX], ids=["without a prefix", "with a prefix"])
def prefix(request: pytest.FixtureRequest) -> str:
    """The path of PUBLIC_URL."""
    return str(request.param)


@pytest.fixture
async def prefixed(settings: Settings, prefix: str, sql: asyncpg.Connection) -> AsyncIterator[RunningService]:  # noqa: ARG001
    """A service whose PUBLIC_URL has the prefix. Its requests have none, as behind the proxy."""
    async with running_service(settings.model_copy(update={"public_url": f"http://127.0.0.1{prefix}"})) as service:
        yield service


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
