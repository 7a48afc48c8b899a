"""Recording of requests without delay to any of them.

`record` appends to a bounded queue in memory. Each time SLICE_RECORDS wait, it encodes this slice of the queue into a
batch. Every TELEMETRY_FLUSH_SECONDS the batch is appended to the write-ahead log (bounded, fsync'd), from where it is
delivered to MongoDB once MongoDB responds.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil
from pymongo.monitoring import CommandListener

from app.core.observability.logging import get_logger
from app.core.settings import Settings
from app.telemetry.errors import WriteAheadLogFull
from app.telemetry.metrics.minute_rollup import Group, group_records
from app.telemetry.metrics.prometheus_exposition import Registry, WorkerState, publish, read_workers
from app.telemetry.mongo_store import RequestLog
from app.telemetry.recording.audit_delivery import AuditDelivery
from app.telemetry.recording.batch import BatchBuilder, RunEncoder
from app.telemetry.recording.delivery import Delivery
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.recording.worker_directory import WorkerDirectory, claim_directory, worker_directories
from app.telemetry.recording.write_ahead_log import MEMORY_BYTES, WriteAheadLog
from app.telemetry.redaction import PersonalData, choose_recorded_parameters
from app.telemetry.request_record import RequestRecord

logger = get_logger(__name__)

# A batch makes the threads of the disk and the driver take the interpreter about a dozen times, and requests wait
# meanwhile. At 10,000 requests a second, batches of 1,000 cost each request 10 % more than batches of 4,000.
BATCH_RECORDS = 4000
# Far from what MongoDB takes in one write, even with the longest texts; usually 4,000 records are half of it.
_BATCH_BYTES = 4 * 1024 * 1024
# Measured by the previous encoder: 3 µs a record in slices, 8 µs one at a time with cold processor caches. Encoding a
# second's 800 records in one flush would block the event loop for milliseconds, which shows in the p99.
SLICE_RECORDS = 32
# The limits hold several batches, because a batch that does not fit is dropped as a whole.
_BATCHES_IN_QUEUE, _RECORD_BYTES_ON_DISK = 2, 4096
CLOSE_SECONDS = 2.0
TOO_MANY_REQUESTS = 429
# The problems of a refused sign-in, at the API and at the pages, and their statuses.
SIGN_IN_FAILURES = frozenset({"invalid-credentials", "social-login-failed"})
_SIGN_IN_STATUSES = (400, 401)

T = TypeVar("T")


class Recorder:
    """One for each worker process. Not thread-safe: used by the event loop only."""

    def __init__(self, settings: Settings, root: Path | None = None, listeners: Sequence[CommandListener] = ()) -> None:
        self.log = RequestLog(settings, listeners)
        self.audit = AuditDelivery(self.log)
        self.registry = Registry()
        self.in_flight = 0
        self.dropped = 0
        self._cache_hits = 0
        self._cache_misses = 0
        self._too_many_requests = 0
        self._sign_in_failures = 0
        self._root = root or settings.telemetry_spill_dir
        self._settings = settings
        self._size = settings.telemetry_queue_size
        # Records that are not encoded, and batches of encoded ones. `_waiting` counts both, until they are on the disk.
        self._raw: deque[RequestRecord] = deque()
        self._builders: list[BatchBuilder] = []
        self._waiting = 0
        # None until the write-ahead log is open: event ids contain its run.
        self._encoder: RunEncoder | None = None
        self._batch_records = _batch_records(settings)
        self._slice_records = min(SLICE_RECORDS, self._batch_records)
        self._wake = asyncio.Event()
        self._publish_due = 0.0
        self._closing = False
        self._worker_directory: WorkerDirectory | None = None
        self._wal = WriteAheadLog(None, 0)
        self._delivery = Delivery(self.log, self._run_blocking)
        self._task: asyncio.Task[None] | None = None
        # One thread: so the log needs no lock, and a slow disk holds up no other work.
        self._thread = ThreadPoolExecutor(1, "telemetry")
        self._register_metrics()

    @property
    def queue_length(self) -> int:
        """Records in memory that are not on the disk yet."""
        return self._waiting

    @property
    def undelivered(self) -> int:
        """Records in the write-ahead log that are not in MongoDB yet."""
        return self._wal.records

    @property
    def written(self) -> int:
        """Records that MongoDB has acknowledged."""
        return self._delivery.written

    @property
    def connected(self) -> bool:
        """Whether MongoDB responded to the last attempt."""
        return self._delivery.connected

    async def start(self) -> None:
        """Start in the background; neither MongoDB nor the directory of the write-ahead log needs to exist."""
        self._task = asyncio.create_task(self._run(), name="telemetry")
        self.audit.start()

    def record(self, request: RequestRecord) -> None:
        """Add a record; when the queue is full the record is dropped and counted.

        Most calls only append; one in SLICE_RECORDS encodes the slice that waits.
        """
        if self._waiting >= self._size:
            self.dropped += 1
            self._count(group_records([request]))
            return
        self._waiting += 1
        self._raw.append(request)
        if len(self._raw) >= self._slice_records:
            self._encode_slice()

    async def close(self) -> None:
        """Write the remaining records to the disk, and to MongoDB within CLOSE_SECONDS."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        if self._task:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.audit.close()
        await asyncio.wait([self._run_blocking(self._close_log)], timeout=CLOSE_SECONDS)
        self._thread.shutdown(wait=False)
        await self.log.close()

    async def metrics_text(self) -> str:
        """Return the metrics of all workers in the Prometheus format."""
        self._encode_slice()
        snapshot = self.registry.snapshot()
        return await self._run_blocking(lambda: self._render(snapshot))

    async def list_workers(self) -> list[WorkerState]:
        """Return the running workers of this machine."""
        snapshot = self.registry.snapshot()
        return await self._run_blocking(lambda: read_workers(self._publish_own(snapshot), snapshot))

    async def _run(self) -> None:
        await self._run_blocking(self._open_log)
        delivering = asyncio.create_task(self._delivery.run(self._wal, self._root), name="telemetry-delivery")
        try:
            await self._flush_until_closing()
            self._delivery.finish()
            await delivering
        finally:
            delivering.cancel()
            await asyncio.wait([delivering])

    async def _flush_until_closing(self) -> None:
        self._encoder = RunEncoder(self._wal.run_id, _document_encoder(self._settings))
        clock = asyncio.get_running_loop().time
        began = clock()
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                # From the start of the last flush: records that arrived during it have waited already.
                async with asyncio.timeout_at(began + self._settings.telemetry_flush_seconds):
                    await self._wake.wait()
            self._wake.clear()
            began = clock()
            await self._flush()
        while self._waiting:
            await self._flush()
        await self._publish_metrics()

    async def _flush(self) -> None:
        # Only the records present now; later ones wait for the next flush. Under load records always arrive,
        # and the batches would become ever smaller, each with its own fsync and its own write to MongoDB.
        left = len(self._raw)
        while self._raw and left > 0:
            left -= self._encode_slice()
            await asyncio.sleep(0)  # at the start there may be many slices
        builders, self._builders = self._builders, []
        for builder in builders:
            await self._append_batch(builder)
        # Under load a flush runs whenever a batch is full: too often for publishing the metrics.
        if time.monotonic() >= self._publish_due:
            await self._publish_metrics()

    def _encode_slice(self) -> int:
        """Encode and count the oldest waiting records; return how many. Never raises: a request calls it."""
        if not self._raw or self._encoder is None:
            return 0
        if not self._builders or self._is_full(self._builders[-1]):
            self._builders.append(BatchBuilder(self._encoder))
        builder = self._builders[-1]
        room = min(self._slice_records, self._batch_records - builder.records)
        records = [self._raw.popleft() for _ in range(min(room, len(self._raw)))]
        try:
            groups = group_records(records)
            self._count(groups)
            builder.add(records, groups)
        except Exception:
            logger.exception("request records lost")
            self._waiting -= len(records)
            self.dropped += len(records)
        if self._is_full(builder):
            self._wake.set()
        return len(records)

    def _is_full(self, builder: BatchBuilder) -> bool:
        return builder.records >= self._batch_records or builder.bytes >= _BATCH_BYTES

    def _count(self, groups: Sequence[Group]) -> None:
        for group in groups:
            self.registry.current.observe(group.series, group.durations_ms)
            self._cache_hits += sum([record.cache_hits for record in group.records])
            self._cache_misses += sum([record.cache_misses for record in group.records])
            if group.status == TOO_MANY_REQUESTS:
                self._too_many_requests += len(group.records)
            elif group.status in _SIGN_IN_STATUSES:
                self._sign_in_failures += sum([record.error_slug in SIGN_IN_FAILURES for record in group.records])

    async def _append_batch(self, builder: BatchBuilder) -> None:
        stored = 0
        try:
            payload = builder.payload()
            await self._run_blocking(lambda: self._wal.append(payload, builder.count))
            stored = builder.count
        except WriteAheadLogFull:
            pass
        except Exception:
            logger.exception("batch of request records lost")
        self._waiting -= builder.records
        self.dropped += builder.records - stored
        self._delivery.notify()

    def _run_blocking(self, function: Callable[[], T], /) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _open_log(self) -> None:
        try:
            self._worker_directory = claim_directory(self._root)
            self._wal = WriteAheadLog(self._worker_directory.path, self._settings.telemetry_spill_max_bytes)
            self.registry.resume(self._worker_directory.path)
        # Any fault: a worker without the directory still records.
        except Exception as error:  # noqa: BLE001
            logger.warning("write-ahead log unavailable: an outage of MongoDB may lose records", error=error)
            self._wal = WriteAheadLog(None, MEMORY_BYTES)

    def _close_log(self) -> None:
        self._wal.close()
        if self._worker_directory:
            self._worker_directory.release()

    async def _publish_metrics(self) -> None:
        self._publish_due = time.monotonic() + self._settings.telemetry_flush_seconds
        try:
            snapshot = self.registry.snapshot()
            await self._run_blocking(lambda: self._publish(snapshot))
        except Exception:
            # A worker records even without published metrics.
            logger.exception("metrics snapshot not published")

    def _publish(self, snapshot: str) -> None:
        if self._worker_directory:
            with contextlib.suppress(OSError):
                publish(self._worker_directory.path, snapshot)

    def _render(self, snapshot: str) -> str:
        return self.registry.render(self._publish_own(snapshot), snapshot)

    def _publish_own(self, snapshot: str) -> list[Path]:
        """Publish the snapshot; return the directories of all workers."""
        self._publish(snapshot)
        return worker_directories(self._root) if self._worker_directory else []

    def _register_metrics(self) -> None:
        process = psutil.Process()
        self.registry.gauge("process_resident_memory_bytes", "Resident memory", lambda: process.memory_info().rss)
        self.registry.gauge("process_open_fds", "Open file descriptors", process.num_fds)
        self.registry.gauge("process_threads", "Threads", process.num_threads)
        self.registry.counter("process_cpu_seconds_total", "Processor time", lambda: sum(process.cpu_times()[:2]))
        gauge, counter, sent = self.registry.gauge, self.registry.counter, self._delivery
        gauge("imts_workers", "Running workers", lambda: 1)
        gauge("imts_http_requests_in_flight", "Requests in progress", lambda: self.in_flight)
        counter("imts_http_too_many_requests_total", "Responses with the status 429", lambda: self._too_many_requests)
        counter("imts_sign_in_failures_total", "Refused passwords and social logins", lambda: self._sign_in_failures)
        gauge("imts_telemetry_queue_length", "Records in memory", lambda: self.queue_length)
        gauge("imts_telemetry_spilled_records", "Records that wait on the disk", lambda: self.undelivered)
        gauge("imts_telemetry_spilled_bytes", "Bytes that wait on the disk", lambda: self._wal.bytes)
        gauge("imts_telemetry_connected_workers", "Workers that are connected to MongoDB", lambda: self.connected)
        counter("imts_cache_hits_total", "Responses from the cache", lambda: self._cache_hits)
        counter("imts_cache_misses_total", "Look-ups without a cached response", lambda: self._cache_misses)
        counter("imts_telemetry_written_total", "Records written to MongoDB", lambda: self.written)
        counter("imts_telemetry_dropped_total", "Records dropped at a bound", lambda: self.dropped + self.audit.dropped)
        counter("imts_telemetry_rejected_total", "Records that MongoDB rejected", lambda: sent.rejected)
        counter(
            "imts_telemetry_unreadable_total",
            "Records that the disk did not return",
            lambda: sent.unreadable,
        )


def _batch_records(settings: Settings) -> int:
    in_queue = settings.telemetry_queue_size // _BATCHES_IN_QUEUE
    on_disk = settings.telemetry_spill_max_bytes // _RECORD_BYTES_ON_DISK
    return max(1, min(BATCH_RECORDS, in_queue, on_disk))


def _document_encoder(settings: Settings) -> DocumentEncoder:
    personal = PersonalData(settings.telemetry_personal_data, settings.jwt_secret.get_secret_value())
    kept = choose_recorded_parameters(settings.telemetry_logged_query_params, settings.telemetry_personal_data)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return DocumentEncoder(worker, personal, kept)
