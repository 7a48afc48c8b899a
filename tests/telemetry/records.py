"""Records for the tests, and their documents in MongoDB."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from app.core.settings import Settings
from app.telemetry.request_record import RequestRecord


def make_record(number: int = 0, **values: Any) -> RequestRecord:
    fields: dict[str, Any] = {
        "time": datetime.now(UTC),
        "method": "GET",
        "route": "/v1/images/{id}",
        "path": f"/v1/images/{number}",
        "status": 200,
        "duration_ms": 1 + number % 100,
        "request_id": f"r{number}",
    }
    fields |= values
    # RequestRecord has nanoseconds.
    fields["time"] = int(fields["time"].timestamp() * 1000) * 1_000_000
    fields["duration"] = int(fields.pop("duration_ms") * 1_000_000)
    return RequestRecord(**fields)


@contextmanager
def open_mongo(mongo_url: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True, serverSelectionTimeoutMS=5000) as client:
        yield client.get_default_database()


def request_ids(mongo_url: str) -> list[str]:
    """The request ids in the order of their event ids."""
    with open_mongo(mongo_url) as mongo:
        found = mongo.request_logs.find({}, {"request_id": 1})
        return [document["request_id"] for document in sorted(found, key=lambda document: str(document["_id"]))]


def metrics_count(mongo_url: str) -> int:
    with open_mongo(mongo_url) as mongo:
        return sum(document["count"] for document in mongo.request_metrics.find())


def telemetry_settings(mongo_url: str, **values: Any) -> Settings:
    return Settings(
        _env_file=None,
        mongo_url=mongo_url,
        jwt_secret="t" * 48,
        **{"telemetry_flush_seconds": 0.05} | values,
    )


async def until(is_true: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not is_true():
            await asyncio.sleep(0.02)


def numbered(first: int, count: int) -> Sequence[RequestRecord]:
    return [make_record(number) for number in range(first, first + count)]
