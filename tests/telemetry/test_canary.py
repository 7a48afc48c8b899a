"""A canary in everything that a client can send, against a real `serve`: it is in no log and no record."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from pymongo.database import Database

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from tests.support.photos import png
from tests.support.processes import service_process
from tests.telemetry.records import until

pytestmark = pytest.mark.integration

CANARY = "c4naryc4nary"
PASSWORD = "correct horse battery staple"
# User-Agent, X-Request-ID and traceparent are recorded on purpose.
HEADERS = [
    *("Authorization", "Cookie", "Referer", "Origin", "Accept", "Accept-Language", "Content-Language", "If-Match"),
    *("If-None-Match", "If-Range", "Range", "Idempotency-Key", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"),
    *("X-Api-Key", "X-Real-IP", "Proxy-Authorization"),
]
PARAMETERS = ["q", "sort", "cursor", "limit", "prefix", "email", "since", "route", "code", "state", CANARY]
GETS = [
    "/v1/images",
    "/v1/tags",
    "/v1/users",
    "/v1/users/me",
    "/v1/ops/requests",
    "/v1/auth/social",
    "/ops",
    "/nowhere",
]


@pytest.fixture
async def own(
    settings: Settings, fresh_database_url: Callable[[], Awaitable[str]], mongo_url: str, tmp_path: Path
) -> Settings:
    url = SecretStr(await fresh_database_url())
    own = settings.model_copy(
        update={
            "app_env": "production",
            "database_url": url,
            "database_direct_url": url,
            "database_pooler": False,
            "mongo_url": SecretStr(mongo_url),
            "telemetry_spill_dir": tmp_path / "wal",
        }
    )
    await asyncio.to_thread(upgrade, own.sqlalchemy_direct_url)
    connection = await asyncpg.connect(own.direct_database_url)
    # Bugs to order: what PostgreSQL says of these repeats the whole row.
    await connection.execute(f"ALTER TABLE tags ADD CHECK (name NOT LIKE '%{CANARY}%')")
    await connection.execute(f"ALTER TABLE users ADD CHECK (email NOT LIKE '%{CANARY}%')")
    await connection.close()
    return own


async def _send_everywhere(client: httpx.AsyncClient, token: str) -> list[httpx.Response]:
    """Send the canary everywhere but in the path; return the responses."""
    me = {"Authorization": f"Bearer {token}"}
    text = {"Content-Type": "application/json"}
    responses = [
        await client.get(path, params=dict.fromkeys(PARAMETERS, CANARY), headers=headers)
        for path in GETS
        for headers in (dict.fromkeys([*HEADERS, f"X-{CANARY}"], CANARY), me, {})
    ]
    login = {"grant_type": "password", "username": f"{CANARY}@example.com", "password": CANARY, CANARY: CANARY}
    photo = {"image": (f"{CANARY}.png", png(), CANARY)}
    responses += [
        await client.post("/v1/auth/token", data=login),
        await client.post("/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": CANARY}),
        await client.post(
            "/ops/login",
            data={"email": f"{CANARY}@example.com", "password": CANARY},
            headers={"Origin": str(client.base_url)},
        ),
        await client.post("/v1/users", json={"email": CANARY, "password": CANARY, CANARY: CANARY}),
        await client.post("/v1/users", json={"email": f"{CANARY}@example.com", "password": CANARY * 2}),
        await client.post("/v1/users", content=f'{{"email": "{CANARY}', headers=text),
        await client.post("/v1/tags", json={"names": [CANARY]}, headers=me),
        await client.post("/v1/images/lookup", json={"sha256": [CANARY]}, headers=me),
        await client.post("/v1/images", files=photo, data={"visibility": CANARY}, headers=me),
        await client.post("/v1/images", files=photo, data={"tags": CANARY}, headers=me),
        await client.post("/v1/images", files={CANARY: (CANARY, CANARY.encode())}, headers=me),
        await client.post("/v1/images", files={"image": (f"{CANARY}.png", CANARY.encode())}, headers=me),
    ]
    return responses


async def _send_nonsense(url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(f"GET /{CANARY} HTTP/9.9\r\n{CANARY}\r\n\r\n".encode())
    await reader.read()
    writer.close()


async def test_a_canary_is_found_nowhere(own: Settings, mongo: Database[dict[str, Any]], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with service_process(own, log=log) as service:
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            account = {"email": "ada@example.com", "password": PASSWORD}
            (await client.post("/v1/users", json=account)).raise_for_status()
            login = {"grant_type": "password", "username": account["email"], "password": PASSWORD}
            token = (await client.post("/v1/auth/token", data=login)).json()["access_token"]
            responses = await _send_everywhere(client, token)
            broken = {response.headers["X-Request-ID"] for response in responses if response.status_code == 500}
            wanted = {"request_id": {"$in": [response.headers["X-Request-ID"] for response in responses]}}
            await until(lambda: mongo.request_logs.count_documents(wanted) == len(responses), 30)
            records = [*mongo.request_logs.find(), *mongo.request_metrics.find()]
            logged = [path for path in own.telemetry_spill_dir.rglob("*") if path.is_file()]
            assert not [path for path in logged if CANARY in path.read_text("latin-1").lower()]
            # In a path it is recorded, since paths are recorded; the logs omit it even then.
            await client.get(f"/v1/tags/{CANARY}")
            await client.get(f"/{CANARY}", params={CANARY: CANARY})
        await _send_nonsense(service.url)
        service.process.terminate()
        await asyncio.to_thread(service.process.wait, 30)
    assert CANARY not in str(records).lower()
    assert CANARY not in log.read_text().lower()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(broken) >= 3
    assert broken == {event["request_id"] for event in events if event["event"] == "unhandled error"}
    assert [event for event in events if "sqlstate=23514" in event.get("exception", "")]
