"""Sessions: a token refreshes once, reuse ends the session, and ended ones are refused even without Redis."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.core.security import RefreshTokens, digest_token
from app.core.settings import Settings
from app.db.database import Database
from app.users.sessions.repository import Device, UserSessionRepository
from tests.support.accounts import PASSWORD, Account
from tests.support.server import running_service

pytestmark = pytest.mark.integration

REFRESH = "refresh_token"


@pytest.fixture
def refresh_token_of(settings: Settings, database: Database) -> Callable[[Account], Awaitable[str]]:
    """Give an account's session a refresh token that is known here, without the cost of a sign-in."""

    async def make(account: Account) -> str:
        token = RefreshTokens(settings.jwt_secret.get_secret_value()).issue(account.session_id)
        async with database.unit_of_work() as session:
            row = await UserSessionRepository(session).find(account.session_id)
            assert row
            row.refresh_digest = digest_token(token)
        return token

    return make


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/auth/token", data={"grant_type": REFRESH, REFRESH: token})


async def works(client: httpx.AsyncClient, access_token: str) -> bool:
    response = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {access_token}"})
    assert response.status_code in (200, 401)
    return response.status_code == 200


async def sign_in(client: httpx.AsyncClient, account: Account, password: str = PASSWORD) -> dict[str, Any]:
    form = {"grant_type": "password", "username": account.email, "password": password}
    response = await client.post("/v1/auth/token", data=form, headers={"User-Agent": "my browser"})
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


async def test_a_refresh_gives_new_tokens_for_the_same_session(client: httpx.AsyncClient, user: Account) -> None:
    first = await sign_in(client, user)
    assert first["token_type"] == "bearer"
    assert first["expires_in"] == 900
    second = (await refresh(client, first[REFRESH])).json()
    assert second[REFRESH] != first[REFRESH]
    assert await works(client, first["access_token"])
    assert await works(client, second["access_token"])


async def test_reuse_ends_the_session(
    client: httpx.AsyncClient,
    user: Account,
    sql: asyncpg.Connection,
    refresh_token_of: Callable[[Account], Awaitable[str]],
) -> None:
    stolen = await refresh_token_of(user)
    tokens = (await refresh(client, stolen)).json()
    await sql.execute("UPDATE user_sessions SET rotated_at = rotated_at - interval '11 seconds'")
    assert (await refresh(client, stolen)).json()["type"] == "/problems/invalid-token"
    assert not await works(client, tokens["access_token"])
    assert (await refresh(client, tokens[REFRESH])).status_code == 401


async def test_a_token_two_rotations_old_ends_the_session_at_once(
    client: httpx.AsyncClient, user: Account, refresh_token_of: Callable[[Account], Awaitable[str]]
) -> None:
    stolen = await refresh_token_of(user)
    second = (await refresh(client, stolen)).json()
    third = (await refresh(client, second[REFRESH])).json()
    assert (await refresh(client, stolen)).status_code == 401
    assert not await works(client, third["access_token"])


async def test_concurrent_refreshes_have_one_winner_and_keep_the_session(
    client: httpx.AsyncClient, user: Account, refresh_token_of: Callable[[Account], Awaitable[str]]
) -> None:
    token = await refresh_token_of(user)
    responses = await asyncio.gather(*(refresh(client, token) for _ in range(10)))
    won = [one for one in responses if one.status_code == 200]
    assert sorted(one.status_code for one in responses) == [200] + [401] * 9
    assert await works(client, won[0].json()["access_token"])
    assert (await refresh(client, won[0].json()[REFRESH])).status_code == 200


async def test_a_forged_refresh_token_ends_no_session(client: httpx.AsyncClient, user: Account) -> None:
    made_up = RefreshTokens("somebody else's secret").issue(user.session_id)
    assert (await refresh(client, made_up)).status_code == 401
    assert await works(client, user.access_token)


async def test_an_expired_session_is_refused_as_ended(
    client: httpx.AsyncClient,
    user: Account,
    sql: asyncpg.Connection,
    refresh_token_of: Callable[[Account], Awaitable[str]],
) -> None:
    token = await refresh_token_of(user)
    await sql.execute("UPDATE user_sessions SET expires_at = now()")
    assert not await works(client, user.access_token)
    refused = await refresh(client, token)
    assert (refused.status_code, refused.json()["detail"]) == (401, "The session has ended.")


async def test_logout_ends_both_tokens_at_once_with_redis_down(
    client: httpx.AsyncClient,
    user: Account,
    settings: Settings,
    refresh_token_of: Callable[[Account], Awaitable[str]],
) -> None:
    token = await refresh_token_of(user)
    no_redis = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:9/0")})
    async with running_service(no_redis) as other, httpx.AsyncClient(base_url=other.url) as elsewhere:
        assert await works(elsewhere, user.access_token)
        assert (await user.client.post("/v1/auth/logout")).status_code == 204
        assert not await works(elsewhere, user.access_token)
        assert (await refresh(elsewhere, token)).status_code == 401
        assert (await refresh(client, token)).status_code == 401
        # And the other way round: ended without Redis, refused where Redis is up.
        tokens = await sign_in(elsewhere, user)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await elsewhere.post("/v1/auth/logout", headers=headers)).status_code == 204
        assert not await works(client, tokens["access_token"])


async def test_sessions_are_listed_and_ended(
    client: httpx.AsyncClient, user: Account, make_account: Callable[..., Awaitable[Account]]
) -> None:
    tokens = await sign_in(client, user)
    listed = (await user.client.get("/v1/users/me/sessions")).json()["items"]
    assert [one["current"] for one in listed] == [False, True]
    assert (listed[0]["user_agent"], listed[0]["address"]) == ("my browser", "127.0.0.1")
    stranger = await make_account()
    path = f"/v1/users/me/sessions/{listed[0]['id']}"
    assert (await stranger.client.delete(path)).json()["type"] == "/problems/session-not-found"
    assert await works(client, tokens["access_token"])
    assert (await user.client.delete(path)).status_code == 204
    assert not await works(client, tokens["access_token"])
    assert (await user.client.delete(path)).status_code == 404
    assert (await user.client.delete("/v1/users/me/sessions/nonsense")).status_code == 404


async def test_pages_of_sessions_hold_each_once(user: Account, database: Database) -> None:
    async with database.unit_of_work() as session:
        for number in range(5):
            digest = digest_token(str(number))
            row = await UserSessionRepository(session).add(_id(number), user.id, digest, timedelta(days=1), Device())
            assert row.id == _id(number)
    seen: list[str] = []
    path: str | None = "/v1/users/me/sessions?limit=2"
    while path:
        page = await user.client.get(path)
        seen += [one["id"] for one in page.json()["items"]]
        path = page.links["next"]["url"] if page.json()["next_cursor"] else None
    assert len(seen) == len(set(seen)) == 6
    cursor = (await user.client.get("/v1/users/me/sessions?limit=1")).json()["next_cursor"]
    foreign = await user.client.get("/v1/users/me/api-keys", params={"cursor": cursor})
    assert foreign.json()["type"] == "/problems/invalid-cursor"


def _id(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)
