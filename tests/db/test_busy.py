"""With all connections to the database in use, the service is busy and the breaker stays closed."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

from app.core.errors import DatabaseUnavailable
from app.core.settings import Settings
from app.db import engine
from app.db.database import Database
from tests.support.accounts import Account
from tests.support.fd_exhaustion import no_descriptor_left
from tests.support.photos import png
from tests.support.server import running_service

pytestmark = pytest.mark.integration


async def test_load_does_not_open_the_breaker(
    settings: Settings, user: Account, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.database.POOL_TIMEOUT", 0.3)
    get = user.client.get
    async with running_service(settings.model_copy(update={"database_pool_size": 1})) as narrow:
        async with sql.transaction():
            await sql.execute("LOCK TABLE user_sessions")
            requests = [asyncio.create_task(get(f"{narrow.url}/v1/users/me", timeout=60)) for _ in range(2)]
            done, waiting = await asyncio.wait(requests, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            ready = await get(f"{narrow.url}/readyz", timeout=60)
        busy = done.pop().result()
        assert (busy.status_code, busy.json()["type"]) == (503, "/problems/database-busy")
        assert int(busy.headers["retry-after"]) > 0
        assert (ready.status_code, ready.json()["dependencies"]["postgres"]["status"]) == (200, "up")
        await asyncio.gather(*waiting)
        assert (await get(f"{narrow.url}/v1/users/me", timeout=60)).status_code == 200


async def test_a_request_that_waits_for_a_lock_gets_database_busy(
    settings: Settings, user: Account, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is locked, as by a frozen worker. The server answers all other requests."""
    monkeypatch.setattr(engine, "LOCK_TIMEOUT", "300ms")
    async with running_service(settings) as service:
        async with sql.transaction():
            await sql.execute("LOCK TABLE images IN EXCLUSIVE MODE")
            files = {"image": ("a.png", png())}
            response = await user.client.post(f"{service.url}/v1/images", files=files, timeout=60)
        assert (response.status_code, response.json()["type"]) == (503, "/problems/database-busy")
        assert (await user.client.post(f"{service.url}/v1/images", files=files)).status_code == 201


async def test_a_worker_without_file_descriptors_does_not_open_the_breaker(
    settings: Settings, sql: asyncpg.Connection
) -> None:
    assert sql
    database = Database(settings)
    async with database.read_session() as session:
        await session.execute(text("SELECT 1"))
        with no_descriptor_left():
            # Each of them has the server asked, which is not reached either.
            for _ in range(3):
                with pytest.raises(DatabaseUnavailable):
                    await database.ping()
                await asyncio.sleep(0.2)
                assert not database.is_open
            assert await session.scalar(text("SELECT 1")) == 1
    await database.ping()
    await database.close()
