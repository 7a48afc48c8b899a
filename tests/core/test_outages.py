import asyncio
import contextlib
import logging
import socket

import pytest
from pydantic import SecretStr

from app.cache.lease import Lease
from app.cache.pipelined_connection import PipelinedConnection
from app.core.concurrency import repeat
from app.core.errors import DatabaseUnavailable
from app.core.observability.logging import get_logger
from app.core.observability.outages import SUMMARY_SECONDS, OutageLog
from app.core.settings import Settings
from app.db.database import Database

logger = get_logger("outages")


def test_f94_an_outage_costs_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """One attempt a second for ten minutes logs the beginning, a summary each minute, and the end."""
    caplog.set_level(logging.INFO)
    now = 0.0
    outage = OutageLog(logger, "job", lambda: now)
    for _ in range(601):
        outage.fail(DatabaseUnavailable())
        now += 1
    outage.recover()
    outage.recover()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    summaries = [("WARNING", "outage continues")] * int(600 / SUMMARY_SECONDS)
    assert lines == [("WARNING", "outage began"), *summaries, ("INFO", "outage ended")]


def test_f94_each_type_of_error_is_logged_once_in_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLog(logger, "job", lambda: 0.0)
    for _ in range(100):
        outage.fail(DatabaseUnavailable())
        outage.fail(RuntimeError("a bug"), traceback=True)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]


def test_f94_a_second_outage_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = OutageLog(logger, "job", lambda: 0.0)
    for _ in range(2):
        outage.fail(DatabaseUnavailable())
        outage.recover()
    # The end of each is INFO, which is captured or not by the level of the run.
    assert [record.levelname for record in caplog.records].count("WARNING") == 2


async def test_f94_a_repeated_job_logs_its_failures_once(caplog: pytest.LogCaptureFixture) -> None:
    attempts = 0
    enough = asyncio.Event()

    async def job() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 50:
            enough.set()
        raise DatabaseUnavailable

    task = asyncio.create_task(repeat(job, 0.001, "job"))
    await asyncio.wait_for(enough.wait(), 30)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(caplog.records) == 1


async def test_f94_without_postgres_and_redis_the_lease_logs_two_lines(
    caplog: pytest.LogCaptureFixture, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for the cache and one for PostgreSQL, however many attempts fail."""
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{refusing.getsockname()[1]}"
        unreachable = settings.model_copy(update={"database_url": SecretStr(f"postgresql://a:b@{address}/c")})
        database = Database(Settings.model_validate(unreachable.model_dump()))
        connection = PipelinedConnection(f"redis://{address}/0", 0.1)
        monkeypatch.setattr("app.cache.lease.POLL_SECONDS", 0.01)
        task = asyncio.create_task(Lease(database, connection).run_forever())
        await asyncio.sleep(2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.close()
        await database.close()
    jobs = [vars(record)["fields"]["job"] for record in caplog.records if record.name == "app.cache.lease"]
    assert jobs == ["cache invalidation", "cache lease"]
