"""Sensitive changes need a recent sign-in or the current password; a new password ends the credentials of a thief."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.accounts import PASSWORD, Account
from tests.support.server import RunningService
from tests.users.test_social import MakeAccount, sign_in

pytestmark = pytest.mark.integration

KEYS = "/v1/users/me/api-keys"
IDENTITIES = "/v1/users/me/identities"
KEY = {"name": "script", "scopes": ["read"]}


@pytest.fixture
async def stale(user: Account, sql: asyncpg.Connection) -> Account:
    """An account whose session was opened eleven minutes ago."""
    await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
    return user


def slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


async def make_key(account: Account, **more: Any) -> httpx.Response:
    return await account.client.post(KEYS, json=KEY | more)


async def is_valid(client: httpx.AsyncClient, key: str) -> bool:
    response = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {key}"})
    assert response.status_code in (200, 401)
    return response.status_code == 200


async def test_f17_a_key_needs_fresh_proof(stale: Account, sql: asyncpg.Connection) -> None:
    assert slug(await make_key(stale)) == (403, "recent-sign-in-required")
    assert slug(await make_key(stale, current_password="a wrong guess")) == (403, "wrong-password")
    assert await sql.fetchval("SELECT count(*) FROM api_keys") == 0
    assert (await make_key(stale, current_password=PASSWORD)).status_code == 201


async def test_f17_a_new_sign_in_is_proof_and_a_refresh_is_not(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    tokens = (await client.post("/v1/auth/token", data=form)).json()
    for status in (201, 403):
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.post(KEYS, json=KEY, headers=headers)).status_code == status
        await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        tokens = (await client.post("/v1/auth/token", data=form)).json()


async def test_f17_deleting_the_account_needs_a_recent_sign_in(stale: Account) -> None:
    assert slug(await stale.client.delete("/v1/users/me")) == (403, "recent-sign-in-required")
    assert (await stale.client.get("/v1/users/me")).status_code == 200


async def test_f17_a_new_password_ends_the_api_keys(client: httpx.AsyncClient, user: Account) -> None:
    key = (await make_key(user)).json()["key"]
    body = {"current_password": PASSWORD, "password": "an entirely new one", "keep_api_keys": True}
    assert (await user.client.patch("/v1/users/me", json=body)).status_code == 200
    assert await is_valid(client, key)
    body = {"current_password": "an entirely new one", "password": PASSWORD}
    assert (await user.client.patch("/v1/users/me", json=body)).status_code == 200
    assert not await is_valid(client, key)
    assert (await user.client.get("/v1/users/me")).status_code == 200


async def test_f17_a_new_address_keeps_the_api_keys(client: httpx.AsyncClient, user: Account) -> None:
    key = (await make_key(user)).json()["key"]
    body = {"current_password": PASSWORD, "email": "new@example.com"}
    assert (await user.client.patch("/v1/users/me", json=body)).status_code == 200
    assert await is_valid(client, key)


async def test_f17_no_key_slips_behind_a_new_password(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    stolen = (await client.post("/v1/auth/token", data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {stolen}"}

    async def make_keys() -> None:
        while (await client.post(KEYS, json=KEY, headers=headers)).status_code == 201:
            pass

    body = {"current_password": PASSWORD, "password": "an entirely new one"}
    making = [asyncio.create_task(make_keys()) for _ in range(4)]
    changed = await user.client.patch("/v1/users/me", json=body)
    await asyncio.gather(*making)
    assert changed.status_code == 200, changed.text
    assert await sql.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_f17_linking_an_identity_needs_a_recent_sign_in(
    browser: httpx.AsyncClient, make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    account = await make_account()
    headers = {"Authorization": f"Bearer {account.access_token}"}
    await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
    started = await browser.get("/v1/auth/social/local", headers=headers)
    assert slug(started) == (403, "recent-sign-in-required")
    assert await sql.fetchval("SELECT count(*) FROM oauth_flows") == 0


async def test_f17_identities_are_listed_and_unlinked(
    browser: httpx.AsyncClient, make_account: MakeAccount, sql: asyncpg.Connection
) -> None:
    account = await make_account()
    headers = {"Authorization": f"Bearer {account.access_token}"}
    by_identity = (await sign_in(browser, headers=headers)).json()["access_token"]
    (listed,) = (await browser.get(IDENTITIES, headers=headers)).json()["items"]
    assert listed.keys() == {"provider", "issuer", "subject", "created_at"}
    assert listed["provider"] == "local"
    assert slug(await browser.delete(f"{IDENTITIES}/down", headers=headers)) == (404, "identity-not-found")
    await sql.execute("UPDATE user_sessions SET created_at = now() - interval '11 minutes'")
    assert slug(await browser.delete(f"{IDENTITIES}/local", headers=headers)) == (403, "recent-sign-in-required")
    await sql.execute("UPDATE user_sessions SET created_at = now()")
    assert (await browser.delete(f"{IDENTITIES}/local", headers=headers)).status_code == 204
    assert (await browser.get(IDENTITIES, headers=headers)).json() == {"items": []}
    assert not await is_valid(browser, by_identity)
    assert (await browser.get("/v1/users/me", headers=headers)).json()["providers"] == []


async def test_f17_the_last_way_to_sign_in_stays(
    browser: httpx.AsyncClient, social_service: RunningService, sql: asyncpg.Connection
) -> None:
    tokens = (await sign_in(browser)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = (await browser.get("/v1/users/me", headers=headers)).json()["id"]
    # An identity at a provider that is not configured is no way to sign in.
    await sql.execute("INSERT INTO social_identities VALUES ('https://old.example', 'ada', 'old', $1)", me)
    assert slug(await browser.delete(f"{IDENTITIES}/local", headers=headers)) == (409, "last-sign-in-method")
    assert (await browser.delete(f"{IDENTITIES}/old", headers=headers)).status_code == 204
    await sql.execute("INSERT INTO social_identities VALUES ('https://new.example', 'ada', 'down', $1)", me)
    async with httpx.AsyncClient(base_url=social_service.url, headers=headers) as other:
        responses = await asyncio.gather(
            browser.delete(f"{IDENTITIES}/local", headers=headers), other.delete(f"{IDENTITIES}/down")
        )
    assert sorted(one.status_code for one in responses) == [204, 409], [one.text for one in responses]


async def test_f17_an_unlinked_identity_does_not_link_itself_again(
    browser: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    tokens = (await sign_in(browser)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    changed = await browser.patch("/v1/users/me", json={"password": PASSWORD}, headers=headers)
    assert changed.status_code == 200, changed.text
    assert (await browser.delete(f"{IDENTITIES}/local", headers=headers)).status_code == 204
    assert slug(await sign_in(browser)) == (400, "social-login-failed")
    assert await sql.fetchval("SELECT count(*) FROM social_identities") == 0
