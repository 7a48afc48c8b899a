"""The request log and the request metrics in MongoDB: the only module that imports motor.

Motor is supported until May 2027. Its successor is PyMongo's own `AsyncMongoClient`: the change is the import of that
name. `tests/telemetry/test_mongo_drivers.py` runs every call with both.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient as AsyncMongoClient
from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, ExecutionTimeout, PyMongoError, ServerSelectionTimeoutError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from app.core.settings import TelemetrySettings
from app.telemetry.errors import OutcomeUnknown, QueryTooCostly, TelemetryUnavailable
from app.telemetry.mongo_collections import AUDIT, LOGS, METRICS, CollectionSetup
from app.telemetry.recording.batch import Batch

WRITE_CHECKS = "readiness_checks"
DEFAULT_DATABASE = "imts"
SERVER_SELECTION_MS = 1200
SOCKET_TIMEOUT_MS = 5000
# The server ends a write before our socket times out, so that no write outlives its client for long.
WRITE_MS = 4000
CLOSE_SECONDS = 1.0
QUERY_MS = 1200
READ_SECONDS = 1.6
# Without the journal, a crash of the server loses acknowledged writes of the last 100 ms. Without the majority, a
# failover loses them.
_DURABLE = WriteConcern(w="majority", j=True)
_DUPLICATE_KEY = 11000
# Errors of the document itself (MongoDB's error_codes.yml). Any other error may be temporary.
_BAD_DOCUMENT = frozenset({2, 9, 14, 52, 56, 57, 121, 10334})


class RequestLog:
    """The collections of telemetry. The client is created at first use, so that start-up does not wait for it."""

    def __init__(self, settings: TelemetrySettings, listeners: Sequence[CommandListener] = ()) -> None:
        self._listeners = listeners
        self._url = settings.mongo_url.get_secret_value()
        self._collections = CollectionSetup(settings)
        self._client: Any = None

    @property
    def database(self) -> Any:
        """The database that the path of MONGO_URL names, else `imts`. Raises PyMongoError on a bad address."""
        if self._client is None:
            self._client = AsyncMongoClient(
                self._url,
                serverSelectionTimeoutMS=SERVER_SELECTION_MS,
                connectTimeoutMS=SERVER_SELECTION_MS,
                socketTimeoutMS=SOCKET_TIMEOUT_MS,
                maxPoolSize=8,
                tz_aware=True,
                appname="imts",
                event_listeners=list(self._listeners),
            )
        return self._client[parse_uri(self._url)["database"] or DEFAULT_DATABASE]

    async def ping(self) -> None:
        """Check that the server responds. Raises TelemetryUnavailable."""
        async with translate_errors():
            await self.database.command("ping")

    async def check_writable(self) -> None:
        """Write a document. Raises TelemetryUnavailable where the server refuses writes."""
        async with translate_errors():
            await self.database[WRITE_CHECKS].replace_one({"_id": "readiness"}, {"at": datetime.now(UTC)}, upsert=True)

    async def read_version(self) -> str:
        """Return the version of the server. Raises TelemetryUnavailable."""
        async with translate_errors():
            return str((await self.database.command("buildInfo"))["version"])

    async def ensure_collections(self) -> None:
        """Create missing collections; apply the configured retention to all. Raises TelemetryUnavailable."""
        async with translate_errors():
            await self._collections.run(self.database)

    async def existing_ids(self, batches: Sequence[Batch]) -> set[str]:
        """Return which event ids of these batches of one run the log has. Raises TelemetryUnavailable."""
        headers = [batch.header for batch in batches]
        # The times bound the buckets that have to be opened; a time series has no useful index on a random id.
        times = {"$gte": min(header["since"] for header in headers), "$lte": max(header["until"] for header in headers)}
        ids = {"$gt": headers[0]["first"], "$lte": headers[-1]["last"]}
        async with translate_errors():
            logs = self.database.get_collection(
                LOGS, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
            )
            return {found["_id"] async for found in logs.find({"time": times, "_id": ids}, {"_id": 1})}

    async def insert(self, documents: Sequence[Any]) -> int:
        """Insert these documents durably; return the number of permanently rejected ones.

        Raises TelemetryUnavailable when nothing was sent, OutcomeUnknown when some may be stored.
        """
        command = {
            "insert": LOGS,
            "documents": documents,
            "ordered": False,
            "maxTimeMS": WRITE_MS,
            "writeConcern": _DURABLE.document,
        }
        async with translate_errors():
            reply = await self.database.command(command)
        errors = reply.get("writeErrors", [])
        if "writeConcernError" in reply or any(error["code"] not in _BAD_DOCUMENT for error in errors):
            raise OutcomeUnknown(str(reply.get("writeConcernError") or errors[0]["errmsg"]))
        return len(errors)

    async def add_metrics(self, batches: Sequence[Batch]) -> None:
        """Add the batches' sums to the metrics; idempotent. Raises TelemetryUnavailable."""
        increments = [_increment(batch, one) for batch in batches for one in batch.header["sums"]]
        metrics = self.database.get_collection(METRICS, write_concern=_DURABLE)
        start, upsert = 0, True
        async with translate_errors():
            while start < len(increments):
                end = len(increments) if upsert else start + 1
                updates = [UpdateOne(query, update, upsert=upsert) for query, update in increments[start:end]]
                try:
                    await metrics.bulk_write(updates)  # ordered: `applied` needs a run's batches in sequence
                    start, upsert = end, True
                except BulkWriteError as error:
                    failure = error.details["writeErrors"][0]
                    if failure["code"] != _DUPLICATE_KEY:
                        raise
                    # Either the batch was added before, or another worker has just created the same document. The
                    # document exists now: without the upsert, only the check of `applied` decides.
                    start, upsert = start + failure["index"], False

    async def insert_audit(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Insert audit records durably; those that exist stay as they are. Raises TelemetryUnavailable."""
        audit = self.database.get_collection(AUDIT, write_concern=_DURABLE)
        inserts = [UpdateOne({"_id": one["_id"]}, {"$setOnInsert": one}, upsert=True) for one in documents]
        async with translate_errors():
            await audit.bulk_write(inserts, ordered=False)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            # The driver ends its sessions first, and would wait for a frozen server.
            closing = asyncio.ensure_future(_close_client(self._client))
            await asyncio.wait([closing], timeout=CLOSE_SECONDS)


async def _close_client(client: Any) -> None:
    """Close a client of motor, whose method blocks, or of PyMongo, whose method is a coroutine."""
    if inspect.iscoroutinefunction(client.close):
        await client.close()
    else:
        await asyncio.get_running_loop().run_in_executor(None, client.close)


async def open_cursor(result: Any) -> Any:
    """Return the cursor of `aggregate`: motor returns it, and PyMongo a coroutine of it."""
    return await result if inspect.isawaitable(result) else result


def _increment(batch: Batch, sums: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return query and update. Batches of a run arrive in order, so the last one in `applied` prevents a double."""
    key = sums["key"]
    minute = f"{key['minute']:%Y-%m-%dT%H:%MZ}"
    applied = f"applied.{batch.run_id}"
    query = {
        "_id": f"{minute} {key['method']} {key['status_class']} {key['route']}",
        applied: {"$not": {"$gte": batch.sequence}},
    }
    return query, {"$inc": dict(sums["inc"]), "$max": {applied: batch.sequence}, "$setOnInsert": key}


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Translate errors of the driver into TelemetryUnavailable and OutcomeUnknown."""
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise TelemetryUnavailable(str(error)[:200]) from error
    except PyMongoError as error:
        raise OutcomeUnknown(str(error)[:200]) from error


@asynccontextmanager
async def translate_query_errors() -> AsyncIterator[None]:
    """Translate errors of a query, which ends after READ_SECONDS. Raises QueryTooCostly, TelemetryUnavailable."""
    try:
        async with asyncio.timeout(READ_SECONDS), translate_errors():
            try:
                yield
            except ExecutionTimeout as error:
                raise QueryTooCostly(str(error)[:200]) from error
    except TimeoutError as error:
        raise TelemetryUnavailable("the query timed out") from error
