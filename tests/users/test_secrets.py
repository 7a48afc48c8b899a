"""No secret shows in logs, Mongo, Redis, the database or a response: canaries are planted, then looked for."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from pymongo import MongoClient
from redis.asyncio import Redis

from app.core.settings import Settings
from tests.support.server import running_service
from tests.support.server_fixtures import TABLES

pytestmark = pytest.mark.integration

CANARY = "canary"


async def _use_everything(client: httpx.AsyncClient) -> set[str]:
    """Send secrets in every place where a client may send one, also in wrong ones; return all of them."""
    password, wrong, new = (f"{CANARY} {uuid.uuid4().hex}" for _ in range(3))
    email = f"{uuid.uuid4().hex}@example.com"
    await client.post("/v1/users", json={"email": email, "password": password})
    await client.post("/v1/users", json={"email": email, "password": password, "token": wrong})
    await client.post("/v1/users", json={"email": wrong, "password": new})
    await client.post("/v1/users", content=f'{{"password": "{wrong}", ')
    form = {"grant_type": "password", "username": email, "password": password}
    tokens = (await client.post("/v1/auth/token", data=form)).json()
    await client.post("/v1/auth/token", data=form | {"password": wrong})
    await client.post("/v1/auth/token", data=form | {"grant_type": wrong})
    await client.get("/v1/users/me", params={"password": password, "access_token": tokens["access_token"]})
    await client.get("/v1/users/me", headers={"Authorization": f"Bearer {wrong}"})
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    key = (await client.post("/v1/users/me/api-keys", json={"name": "k", "scopes": ["read"]}, headers=headers)).json()[
        "key"
    ]
    await client.get("/v1/users/me", headers={"Authorization": f"Bearer {key}"})
    body = {"password": new, "current_password": password}
    await client.patch("/v1/users/me", json=body | {"current_password": wrong}, headers=headers)
    await client.patch("/v1/users/me", json=body, headers=headers)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    rotated = (await client.post("/v1/auth/token", data=refresh)).json()
    await client.get(f"/v1/auth/social/local/callback?code={uuid.UUID(int=7).hex}&state={uuid.UUID(int=8).hex}")
    secrets = {password, wrong, new, key, uuid.UUID(int=7).hex, uuid.UUID(int=8).hex}
    return secrets | {one[name] for one in (tokens, rotated) for name in ("access_token", "refresh_token")}


async def _redis_content(url: str) -> str:
    async with Redis.from_url(url) as redis:
        found = [key async for key in redis.scan_iter(count=1000)]
        return repr([(key, await redis.get(key)) for key in found if key.startswith(b"limit:")])


async def test_canaries(
    settings: Settings,
    make_settings: Callable[..., Settings],
    mongo_url: str,
    sql: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    own = make_settings(database_url=settings.database_url.get_secret_value(), mongo_url=mongo_url, log_level="DEBUG")
    responses: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with running_service(own) as service, httpx.AsyncClient(base_url=service.url) as client:
            # The client's own log lines have its URLs in them: only the service is on trial.
            for name in ("httpx", "httpcore"):
                caplog.set_level(logging.CRITICAL, name)

            async def keep(response: httpx.Response) -> None:
                await response.aread()
                if response.is_error:
                    responses.append(response.text)

            client.event_hooks["response"].append(keep)
            secrets = await _use_everything(client)
    rows = [str(dict(row)) for table in TABLES for row in await sql.fetch(f"SELECT * FROM {table}")]  # noqa: S608
    with MongoClient[dict[str, Any]](mongo_url) as mongo:
        database = mongo.get_default_database()
        records = [
            json.dumps(one, default=str)
            for name in database.list_collection_names()
            if "system" not in name
            for one in database[name].find()
        ]
    captured = capfd.readouterr()
    places = {
        "answers": " ".join(responses),
        "database": " ".join(rows),
        "mongo": " ".join(records),
        "redis": await _redis_content(own.redis_url.get_secret_value()),
        "logs": caplog.text + captured.out + captured.err,
    }
    assert all(places.values()), {name: len(text) for name, text in places.items()}
    found = [(place, secret) for place, text in places.items() for secret in secrets if secret in text]
    assert found == []
