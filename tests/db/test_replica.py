"""Searches on a real streaming standby."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.settings import Settings
from app.db.database import Database
from benchmarks.scale_out.postgres import PostgresCluster

pytestmark = pytest.mark.integration

STANDBY_AND_ROWS = text("SELECT pg_is_in_recovery(), (SELECT count(*) FROM written)")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[PostgresCluster]:
    """A primary and two standbys, with an empty table."""
    cluster = PostgresCluster(tmp_path)
    if not shutil.which("pg_basebackup", path=str(cluster.programs)):
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    try:
        await cluster.start()
        connection = await asyncpg.connect(cluster.url_of("pg1"))
        await connection.execute("CREATE TABLE written (number int)")
        await connection.close()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def database(cluster: PostgresCluster, make_settings: Callable[..., Settings]) -> AsyncIterator[Database]:
    """On the primary, and on one of the standbys."""
    replica = SecretStr(cluster.url_of("pg2"))
    database = Database(make_settings(database_url=SecretStr(cluster.url), database_replica_url=replica))
    yield database
    await database.close()


async def write(database: Database) -> None:
    async with database.unit_of_work() as session:
        await session.execute(text("INSERT INTO written VALUES (1)"))


async def look(database: Database) -> tuple[bool, int]:
    """Return whether a standby answered, and how many rows it saw."""
    async with database.search_session() as session:
        on_standby, rows = (await session.execute(STANDBY_AND_ROWS)).one()
    return on_standby, rows


async def test_a_standby_serves_searches_and_no_client_misses_a_write(
    cluster: PostgresCluster, database: Database
) -> None:
    is_from_standby = 0
    for number in range(1, 101):
        await write(database)
        on_standby, rows = await look(database)
        assert rows == number
        is_from_standby += on_standby
    assert is_from_standby > 0

    standby = await asyncpg.connect(cluster.url_of("pg2"))
    await standby.execute("SELECT pg_wal_replay_pause()")
    while await standby.fetchval("SELECT pg_get_wal_replay_pause_state()") != "paused":
        await asyncio.sleep(0.01)
    await write(database)
    assert await look(database) == (False, 101)
    await standby.execute("SELECT pg_wal_replay_resume()")
    await standby.close()
    async with asyncio.timeout(60):
        while await look(database) != (True, 101):
            await asyncio.sleep(0.05)

    cluster.nodes["pg2"].kill()
    assert await look(database) == (False, 101)
    await write(database)
    assert await look(database) == (False, 102)
    await cluster.restart("pg2")
    async with asyncio.timeout(60):
        while await look(database) != (True, 102):
            await asyncio.sleep(0.05)
