"""The contract with the driver of MongoDB: motor and its successor in PyMongo give the same results for every call."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.database import Database

from app.telemetry import mongo_store
from app.telemetry.errors import TelemetryUnavailable
from app.telemetry.log_queries import LogFilter, find_request, list_metrics, list_requests, list_slowest
from app.telemetry.metrics.minute_rollup import group_records
from app.telemetry.mongo_store import RequestLog
from app.telemetry.recording.batch import Batch, BatchBuilder, RunEncoder
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.recording.recorder import Recorder
from app.telemetry.redaction import PersonalData
from tests.telemetry.records import make_record, telemetry_settings, until

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOWHERE = "mongodb://127.0.0.1:9/imts"
ACTION = {"_id": 1, "at": NOON, "action": "tag.rename"}


@pytest.fixture(params=[AsyncIOMotorClient, AsyncMongoClient], ids=["motor", "pymongo"], autouse=True)
async def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[type[Any]]:
    """The class of the clients that the service opens, as if it were imported."""
    monkeypatch.setattr(mongo_store, "AsyncMongoClient", request.param)
    yield request.param
    if request.param is AsyncMongoClient:
        await _collect_open_sockets()


async def _collect_open_sockets() -> None:
    """Collect the socket that PyMongo 4 leaves open if its client is closed while it connects.

    Later, the warning about it would be an error of another test.
    """
    await asyncio.sleep(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _batch() -> Batch:
    run = RunEncoder("0" * 16, DocumentEncoder("w", PersonalData("keep", "s" * 32), frozenset()))
    builder = BatchBuilder(run)
    records = [make_record(number, time=NOON) for number in range(5)]
    builder.add(records, group_records(records))
    return Batch("0" * 16, 1, builder.count, builder.payload())


@pytest.fixture
async def log(mongo_url: str) -> AsyncIterator[RequestLog]:
    log = RequestLog(telemetry_settings(mongo_url))
    yield log
    await log.close()


async def test_the_driver_is_the_chosen_one(log: RequestLog, driver: type[Any]) -> None:
    assert isinstance(log.database.client, driver)


async def test_records_are_delivered_and_found(
    mongo_url: str, mongo: Database[dict[str, Any]], tmp_path: Path, log: RequestLog
) -> None:
    recorder = Recorder(telemetry_settings(mongo_url), tmp_path / "wal")
    await recorder.start()
    for number in range(30):
        recorder.record(make_record(number, time=NOON + timedelta(milliseconds=number // 3), user_id=f"u{number % 2}"))
    await until(lambda: recorder.written == 30)
    wanted = LogFilter(since=NOON, until=NOON + timedelta(minutes=1))
    first = await list_requests(log, wanted, None, 20)
    last = await list_requests(log, wanted, (first[-1]["time"], first[-1]["_id"]), 20)
    assert sorted(row["request_id"] for row in first + last) == sorted(f"r{number}" for number in range(30))
    [slowest] = await list_slowest(log, wanted, 1)
    assert slowest["duration_ms"] == 30
    assert slowest["time"].tzinfo is not None
    found = await find_request(log, slowest["_id"], slowest["time"])
    assert found == slowest
    for group_by in ("route", "series", "user"):
        points = await list_metrics(log, NOON, NOON + timedelta(minutes=1), 1, group_by, 10)
        assert sum(point.count for point in points) == 30
    assert mongo.request_metrics.count_documents({"count": 30}) == 1
    await recorder.close()


async def test_a_repeated_batch_is_recognised(mongo: Database[dict[str, Any]], log: RequestLog) -> None:
    batch = _batch()
    await log.ensure_collections()
    await log.ensure_collections()
    for _ in range(2):
        await log.add_metrics([batch])
    assert await log.existing_ids([batch]) == set()
    assert await log.insert(batch.wire_documents()) == 0
    assert await log.existing_ids([batch]) == {one["_id"] for one in batch.documents()}
    assert [one["count"] for one in mongo.request_metrics.find()] == [5]


async def test_audit_records_and_probes(mongo: Database[dict[str, Any]], log: RequestLog) -> None:
    await log.ping()
    await log.check_writable()
    await log.insert_audit([ACTION])
    await log.insert_audit([ACTION | {"action": "tag.merge"}])
    assert [one["action"] for one in mongo.audit_events.find()] == ["tag.rename"]


async def test_a_missing_server_is_unavailable() -> None:
    log = RequestLog(telemetry_settings(NOWHERE))
    with pytest.raises(TelemetryUnavailable):
        await log.ping()
    await log.close()
