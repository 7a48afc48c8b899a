"""API keys: shown once, cut down to their scopes, refused once deleted or expired."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.database import Database
from app.users.accounts.repository import UserRepository
from app.users.revocation import change_role
from tests.support.accounts import Account

pytestmark = pytest.mark.integration


async def make_key(account: Account, **body: Any) -> dict[str, Any]:
    made = await account.client.post("/v1/users/me/api-keys", json={"name": "script", "scopes": ["read"], **body})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/v1/users/me/api-keys/{made.json()['id']}"
    assert made.headers["cache-control"] == "no-store"
    key: dict[str, Any] = made.json()
    return key


async def send(client: httpx.AsyncClient, key: dict[str, Any], method: str = "GET", **options: Any) -> httpx.Response:
    path = "/v1/users/me" if method == "GET" else "/v1/tags"
    return await client.request(method, path, headers={"Authorization": f"Bearer {key['key']}"}, **options)


async def test_a_key_is_shown_once_and_stored_hashed(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    key = await make_key(user, scopes=["write", "read", "read"])
    assert key["scopes"] == ["read", "write"]
    assert (await send(client, key)).json()["id"] == str(user.id)
    (listed,) = (await user.client.get("/v1/users/me/api-keys")).json()["items"]
    assert listed.keys() == {"id", "name", "scopes", "created_at", "expires_at", "last_used_at"}
    row = await sql.fetchrow("SELECT * FROM api_keys")
    assert key["key"] not in str(dict(row))


async def test_the_last_use_is_returned_and_written_once_a_minute(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection
) -> None:
    key = await make_key(user)
    assert key["last_used_at"] is None
    await send(client, key)
    first = await sql.fetchval("SELECT last_used_at FROM api_keys")
    await send(client, key)
    assert await sql.fetchval("SELECT last_used_at FROM api_keys") == first
    await sql.execute("UPDATE api_keys SET last_used_at = now() - interval '2 minutes'")
    await send(client, key)
    assert await sql.fetchval("SELECT last_used_at FROM api_keys") > first


async def test_scopes_never_widen(client: httpx.AsyncClient, user: Account, admin: Account) -> None:
    writer = await make_key(user, scopes=["write"])
    assert (await send(client, writer)).json()["type"] == "/problems/insufficient-scope"
    assert (await send(client, writer, "POST", json={"names": ["a"]})).status_code == 201
    reader = await make_key(user)
    assert (await send(client, reader, "POST", json={"names": ["a"]})).status_code == 403
    users = {
        name: await client.get("/v1/users", headers={"Authorization": f"Bearer {key['key']}"})
        for name, key in {
            "user": await make_key(user, scopes=["read", "write"]),
            "admin": await make_key(admin, scopes=["read", "write", "admin"]),
            "admin without the scope": await make_key(admin, scopes=["read", "write"]),
        }.items()
    }
    assert {name: one.status_code for name, one in users.items()} == {
        "user": 403,
        "admin": 200,
        "admin without the scope": 403,
    }


async def test_a_key_cannot_create_keys_or_end_sessions(client: httpx.AsyncClient, user: Account) -> None:
    key = await make_key(user, scopes=["read", "write"])
    headers = {"Authorization": f"Bearer {key['key']}"}
    body = {"name": "more", "scopes": ["read"]}
    refused = await client.post("/v1/users/me/api-keys", json=body, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/sign-in-required")
    assert (await client.delete("/v1/users/me", headers=headers)).status_code == 403


async def test_deleted_and_expired_keys_are_refused(
    client: httpx.AsyncClient, user: Account, admin: Account, sql: asyncpg.Connection
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    key = await make_key(user, expires_at=soon)
    assert (await send(client, key)).status_code == 200
    await sql.execute("UPDATE api_keys SET expires_at = now()")
    assert (await send(client, key)).status_code == 401
    path = f"/v1/users/me/api-keys/{(other := await make_key(user))['id']}"
    assert (await admin.client.delete(path)).json()["type"] == "/problems/api-key-not-found"
    assert (await user.client.delete(path)).status_code == 204
    assert (await send(client, other)).status_code == 401
    assert (await user.client.delete(path)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "a\0b", "scopes": ["read"]},
        {"name": "x" * 101, "scopes": ["read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00"},
        {"name": "x", "scopes": ["read"], "expires_at": 1e300},
        {"name": "x", "scopes": ["read"], "key": "imts_mine"},
    ],
)
async def test_refused_keys(user: Account, body: dict[str, Any]) -> None:
    response = await user.client.post(
        "/v1/users/me/api-keys", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422, response.text


async def test_f18_only_admins_make_keys_with_the_scope_admin(user: Account, admin: Account) -> None:
    body = {"name": "script", "scopes": ["read", "admin"]}
    refused = await user.client.post("/v1/users/me/api-keys", json=body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/admin-required")
    assert (await make_key(admin, **body))["scopes"] == ["admin", "read"]


async def test_f18_a_promotion_does_not_upgrade_old_keys(
    client: httpx.AsyncClient, user: Account, sql: asyncpg.Connection, database: Database
) -> None:
    mixed, single = await make_key(user), await make_key(user)
    # As an earlier version of the service allowed.
    await sql.execute("UPDATE api_keys SET scopes = '{admin,read}' WHERE id = $1", uuid.UUID(mixed["id"]))
    await sql.execute("UPDATE api_keys SET scopes = '{admin}' WHERE id = $1", uuid.UUID(single["id"]))
    async with database.unit_of_work() as session:
        await change_role(session, await UserRepository(session).get_for_change(user.id), is_admin=True)
    (kept,) = (await user.client.get("/v1/users/me/api-keys")).json()["items"]
    assert (kept["id"], kept["scopes"]) == (mixed["id"], ["read"])
    assert (await user.client.get("/v1/users")).status_code == 200
    headers = {"Authorization": f"Bearer {mixed['key']}"}
    assert (await client.get("/v1/users", headers=headers)).status_code == 403
