"""Hashing: bounded, in turn by address, and skipped for clients that disconnected."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.core.settings import Settings
from tests.support.accounts import PASSWORD, Account
from tests.support.raw_http import raw_connection
from tests.support.server import running_service

pytestmark = pytest.mark.integration

ATTACKER, HONEST = "192.0.2.1", "198.51.100.1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs of the password threads; with a cheaper hash, so that a flood does not take the test's time."""
    jobs: list[str] = []
    submit = ThreadPoolExecutor.submit

    def counted(self: ThreadPoolExecutor, *arguments: Any, **options: Any) -> Future[Any]:
        if self._thread_name_prefix == "password":
            jobs.append("hash")
        return submit(self, *arguments, **options)

    monkeypatch.setattr("app.core.passwords.BCRYPT_COST", 10)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", counted)
    return jobs


@asynccontextmanager
async def proxied(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    behind = settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
    limits = httpx.Limits(max_connections=None)
    async with (
        running_service(behind) as service,
        httpx.AsyncClient(base_url=service.url, timeout=60, limits=limits) as client,
    ):
        yield client


async def sign_in(client: httpx.AsyncClient, address: str, email: str) -> httpx.Response:
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    return await client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": address})


async def sign_up(client: httpx.AsyncClient, address: str, email: str) -> httpx.Response:
    body = {"email": email, "password": PASSWORD}
    return await client.post("/v1/users", json=body, headers={"X-Forwarded-For": address})


async def test_f4_a_flood_of_passwords_does_not_delay_another_address(
    settings: Settings, user: Account, hashes: list[str]
) -> None:
    async with proxied(settings) as client:
        await client.get("/healthz")
        flood = [
            asyncio.create_task(send(client, ATTACKER, f"{kind}{number}@example.com"))
            for number in range(60)
            for kind, send in (("in", sign_in), ("up", sign_up))
        ]
        # The queue is full now.
        await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        honest = await sign_in(client, HONEST, user.email)
        assert not all(task.done() for task in flood)
        responses = await asyncio.gather(*flood)
    assert honest.status_code == 200
    # At most one hash for each response, and one to renew the test account's cheap hash.
    statuses = Counter(response.status_code for response in responses)
    assert set(statuses) <= {201, 401, 429}
    assert statuses[429] >= 60
    assert len(hashes) <= 2 + statuses[201] + statuses[401]
    assert all(int(response.headers["retry-after"]) >= 1 for response in responses if response.status_code == 429)


async def test_f4_nothing_is_hashed_for_clients_that_have_gone(
    settings: Settings, user: Account, hashes: list[str]
) -> None:
    async with proxied(settings) as client:
        body = urlencode({"grant_type": "password", "username": "nobody@example.com", "password": PASSWORD}).encode()
        head = {**FORM, "Content-Length": str(len(body)), "X-Forwarded-For": ATTACKER}
        connections = 16
        for _ in range(connections):
            async with raw_connection(str(client.base_url)) as connection:
                await connection.begin("POST", "/v1/auth/token", head)
                await connection.send(body)
        assert (await sign_in(client, ATTACKER, user.email)).status_code == 200
    # Those that had begun before the client went, and the two of the honest request.
    assert len(hashes) < connections
