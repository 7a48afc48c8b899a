"""Creation of accounts: open, by invitation or closed; and the limit of credentials for an account."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.identity_providers import IdentityProvider
from app.core.settings import Settings
from app.db.database import Database
from app.users.sessions.session_cleanup import remove_expired_credentials
from tests.support.accounts import Account
from tests.support.server import running_service
from tests.users.openid_server import CLIENT_ID, CLIENT_SECRET, OpenIdServer

pytestmark = pytest.mark.integration

PASSWORD = "a password for the tests"
PATH = "/v1/users/invitations"


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


@asynccontextmanager
async def service_with(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_service(settings.model_copy(update=changes)) as service,
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
    ):
        yield client


@pytest.fixture
async def invite_only(settings: Settings, admin: Account) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with service_with(settings, sign_up="invite") as client:
        yield client


async def sign_up(client: httpx.AsyncClient, email: str, code: str | None = None) -> httpx.Response:
    body = {"email": email, "password": PASSWORD} | ({"invitation_code": code} if code else {})
    return await client.post("/v1/users", json=body)


async def invite(admin: Account, **body: Any) -> dict[str, Any]:
    made = await admin.client.post(PATH, json=body)
    assert made.status_code == 201, made.text
    invitation: dict[str, Any] = made.json()
    assert made.headers["location"] == f"{PATH}/{invitation['id']}"
    return invitation


async def test_f57_a_closed_service_refuses_every_sign_up(
    settings: Settings, admin: Account, sql: asyncpg.Connection
) -> None:
    code = (await invite(admin))["code"]
    async with service_with(settings, sign_up="closed") as client:
        for given in (None, code):
            assert slug(await sign_up(client, "new@example.com", given)) == (403, "sign-up-closed")
        assert slug(await sign_up(client, admin.email)) == (403, "sign-up-closed")
    assert await sql.fetchval("SELECT count(*) FROM users") == 1


async def test_f57_an_invitation_works_once(invite_only: httpx.AsyncClient, admin: Account) -> None:
    invitation = await invite(admin)
    assert invitation.keys() >= {"id", "code", "email", "expires_at"}
    assert datetime.fromisoformat(invitation["expires_at"]) > datetime.now(UTC) + timedelta(days=6)
    # Without a code a stranger does not learn that the address is taken.
    for email, code in [("a@example.com", None), (admin.email, None), ("a@example.com", "made up")]:
        assert slug(await sign_up(invite_only, email, code)) == (403, "sign-up-closed")
    # A sign-up that fails for another reason does not use it up.
    assert slug(await sign_up(invite_only, admin.email, invitation["code"])) == (409, "email-taken")
    responses = await asyncio.gather(*(sign_up(invite_only, f"{n}@example.com", invitation["code"]) for n in range(3)))
    assert sorted(one.status_code for one in responses) == [201, 403, 403]
    assert slug(await sign_up(invite_only, "b@example.com", invitation["code"])) == (403, "sign-up-closed")
    assert (await admin.client.get(PATH)).json()["items"] == []


async def test_f57_an_invitation_for_an_address_works_for_it_only(
    invite_only: httpx.AsyncClient, admin: Account
) -> None:
    code = (await invite(admin, email="Ada@Example.com"))["code"]
    assert slug(await sign_up(invite_only, "bob@example.com", code)) == (403, "sign-up-closed")
    assert (await sign_up(invite_only, "Ada@example.COM", code)).status_code == 201


async def test_f57_an_invitation_ends_by_time_withdrawal_and_with_its_author(
    invite_only: httpx.AsyncClient,
    admin: Account,
    make_account: Callable[..., Awaitable[Account]],
    sql: asyncpg.Connection,
    database: Database,
) -> None:
    for body in ({"expires_at": "2020-01-01T00:00:00Z"}, {"email": "nobody"}, {"role": "admin"}):
        assert slug(await admin.client.post(PATH, json=body)) == (422, "validation-error")
    expired, withdrawn = await invite(admin), await invite(admin)
    await sql.execute("UPDATE invitations SET expires_at = now() WHERE id = $1", expired["id"])
    assert [one["id"] for one in (await admin.client.get(PATH)).json()["items"]] == [withdrawn["id"]]
    assert "code" not in (await admin.client.get(PATH)).json()["items"][0]
    assert (await admin.client.delete(f"{PATH}/{withdrawn['id']}")).status_code == 204
    assert slug(await admin.client.delete(f"{PATH}/{withdrawn['id']}")) == (404, "invitation-not-found")
    codes = [expired["code"], withdrawn["code"]]
    for change in ({"is_admin": False}, {"disabled": True}):
        author = await make_account(is_admin=True)
        codes.append((await invite(author))["code"])
        assert (await admin.client.patch(f"/v1/users/{author.id}", json=change)).status_code == 200
    author = await make_account(is_admin=True)
    codes.append((await invite(author))["code"])
    assert (await admin.client.delete(f"/v1/users/{author.id}")).status_code == 204
    for code in codes:
        assert slug(await sign_up(invite_only, "ada@example.com", code)) == (403, "sign-up-closed")
    await remove_expired_credentials(database)
    assert await sql.fetchval("SELECT count(*) FROM invitations") == 0


async def test_f57_an_open_service_uses_a_code_up_but_needs_none(
    client: httpx.AsyncClient, admin: Account, sql: asyncpg.Connection
) -> None:
    code = (await invite(admin))["code"]
    assert (await sign_up(client, "a@example.com", code)).status_code == 201
    assert await sql.fetchval("SELECT count(*) FROM invitations") == 0
    assert slug(await sign_up(client, "b@example.com", "x" * 129)) == (422, "validation-error")


async def test_f57_unused_invitations_are_bounded(admin: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.administration.invitations.MAX_INVITATIONS", 3)
    responses = await asyncio.gather(*(admin.client.post(PATH, json={}) for _ in range(6)))
    assert sorted(one.status_code for one in responses) == [201, 201, 201, 409, 409, 409]
    assert {slug(one) for one in responses if one.is_error} == {(409, "too-many-invitations")}


async def test_f57_a_social_sign_up_is_refused_unless_sign_up_is_open(
    settings: Settings, provider: OpenIdServer, sql: asyncpg.Connection
) -> None:
    local = IdentityProvider(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET))

    async def sign_in(client: httpx.AsyncClient) -> httpx.Response:
        departed = await client.get("/v1/auth/social/local")
        arrival = urlsplit((await client.get(departed.headers["location"])).headers["location"])
        return await client.get(f"{arrival.path}?{arrival.query}")

    for sign_up_mode in ("closed", "invite"):
        async with service_with(settings, sign_up=sign_up_mode, social_providers={"local": local}) as client:
            assert slug(await sign_in(client)) == (403, "sign-up-closed")
    assert await sql.fetchval("SELECT count(*) FROM users") == 0
    async with service_with(settings, social_providers={"local": local}) as client:
        assert (await sign_in(client)).status_code == 200
    async with service_with(settings, sign_up="closed", social_providers={"local": local}) as client:
        assert (await sign_in(client)).status_code == 200


async def test_f12_the_number_of_api_keys_is_bounded(settings: Settings, user: Account) -> None:
    body = {"name": "script", "scopes": ["read"]}
    async with service_with(settings, max_api_keys_per_user=3) as client:
        client.headers["Authorization"] = f"Bearer {user.access_token}"
        responses = await asyncio.gather(*(client.post("/v1/users/me/api-keys", json=body) for _ in range(8)))
        assert sorted(one.status_code for one in responses) == [201] * 3 + [409] * 5
        assert {slug(one) for one in responses if one.is_error} == {(409, "too-many-api-keys")}
        made = [one.json()["id"] for one in responses if one.is_success]
        assert (await client.delete(f"/v1/users/me/api-keys/{made[0]}")).status_code == 204
        assert (await client.post("/v1/users/me/api-keys", json=body)).status_code == 201


async def test_f12_the_number_of_sessions_is_bounded(
    client: httpx.AsyncClient, user: Account, monkeypatch: pytest.MonkeyPatch, sql: asyncpg.Connection
) -> None:
    monkeypatch.setattr("app.users.sessions.repository.MAX_SESSIONS", 2)
    form = {"grant_type": "password", "username": user.email, "password": "correct horse battery staple"}
    tokens = [(await client.post("/v1/auth/token", data=form)).json()["access_token"] for _ in range(3)]
    assert await sql.fetchval("SELECT count(*) FROM user_sessions") == 2
    responses = [await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
    assert [one.status_code for one in responses] == [401, 200, 200]
