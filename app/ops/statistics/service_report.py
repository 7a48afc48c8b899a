"""Loads the data of the page of the service: stored data, accounts, workers and versions."""

import asyncio
import platform
import uuid
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app import VERSION
from app.core.errors import AppError
from app.core.observability.duration_histogram import DurationHistogram
from app.http.container import Container
from app.ops.statistics.repository import AccountStorage, StatisticsRepository
from app.ops.statistics.service_metrics import DECODE_DURATION
from app.telemetry.errors import TelemetryError
from app.telemetry.log_queries import AccountActivity, list_busiest_accounts
from app.telemetry.metrics.prometheus_exposition import WorkerState
from app.users.accounts.repository import UserRepository

ROWS = 10
QUANTILES = (0.5, 0.95, 0.99)
_UNKNOWN = "not reachable"


class DecoderTask(NamedTuple):
    """A task of the decoders: its jobs, and their QUANTILES in milliseconds."""

    name: str
    jobs: int
    milliseconds: list[float]


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """A report. `busiest` is None if MongoDB cannot answer; `emails` has the addresses of its accounts."""

    largest: list[AccountStorage]
    busiest: list[AccountActivity] | None
    emails: dict[str, str]
    workers: list[WorkerState]
    decoder_tasks: list[DecoderTask]
    versions: dict[str, str]


async def load_report(container: Container, minutes: int) -> ServiceReport:
    """Return the report, with the busiest accounts of the last `minutes`. Raises Unavailable without PostgreSQL."""
    busiest = await _list_busiest(container, minutes)
    async with container.database.read_session() as session:
        repository = StatisticsRepository(session)
        largest = await repository.list_largest_accounts(ROWS)
        postgres = await repository.get_server_version()
        emails = await UserRepository(session).list_emails(_account_ids(busiest or []))
    mongo, redis = await asyncio.gather(
        _version(container.recorder.log.read_version()), _version(container.redis.read_version())
    )
    versions = {
        "Service": VERSION,
        "Python": platform.python_version(),
        "PostgreSQL": postgres,
        "MongoDB": mongo,
        "Redis": redis,
    }
    workers = await container.recorder.list_workers()
    addresses = {str(one): email for one, email in emails.items()}
    return ServiceReport(largest, busiest, addresses, workers, summarize_decoder_tasks(workers), versions)


def summarize_decoder_tasks(workers: Iterable[WorkerState]) -> list[DecoderTask]:
    """Return the tasks that have had a job in one of the workers."""
    totals: dict[str, DurationHistogram] = {}
    for worker in workers:
        for name, one in worker.histograms.items():
            if name.startswith(DECODE_DURATION):
                totals.setdefault(name, DurationHistogram()).merge(one.counts, one.seconds)
    return [
        DecoderTask(name.split('"')[1], total.count, [1000 * (total.quantile(share) or 0) for share in QUANTILES])
        for name, total in totals.items()
        if total.count
    ]


async def _list_busiest(container: Container, minutes: int) -> list[AccountActivity] | None:
    now = datetime.now(UTC)
    try:
        return await list_busiest_accounts(container.recorder.log, now - timedelta(minutes=minutes), now, ROWS)
    except TelemetryError:
        return None


def _account_ids(accounts: list[AccountActivity]) -> set[uuid.UUID]:
    # A setting records personal data as a digest, which is not an id.
    return {uuid.UUID(one.user_id) for one in accounts if len(one.user_id) == len(str(uuid.UUID(int=0)))}


async def _version(reading: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(2):
            return await reading
    except (AppError, TelemetryError, TimeoutError):
        return _UNKNOWN
