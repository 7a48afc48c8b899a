import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo.database import Database

from app.telemetry.metrics.minute_rollup import group_records
from app.telemetry.recording.batch import BatchBuilder, RunEncoder
from app.telemetry.recording.document_encoder import DocumentEncoder
from app.telemetry.recording.recorder import BATCH_RECORDS, SLICE_RECORDS, Recorder
from app.telemetry.recording.write_ahead_log import WriteAheadLog
from app.telemetry.redaction import PersonalData
from tests.support.fd_exhaustion import no_descriptor_left
from tests.telemetry.records import make_record, metrics_count, numbered, request_ids, telemetry_settings, until

# They wait for MongoDB, or for a server that does not exist.
pytestmark = pytest.mark.integration
MakeRecorder = Callable[..., Recorder]
NOWHERE = "mongodb://127.0.0.1:1/imts"


def segments(tmp_path: Path) -> list[Path]:
    return list(tmp_path.glob("wal/*/*.seg"))


async def test_each_record_becomes_one_document(make_recorder: MakeRecorder, mongo_url: str) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    for record in numbered(0, 1234):
        recorder.record(record)
    await until(lambda: recorder.written == 1234 and recorder.undelivered == 0)
    assert request_ids(mongo_url) == [f"r{number}" for number in range(1234)]
    assert metrics_count(mongo_url) == 1234
    assert (recorder.queue_length, recorder.undelivered, recorder.dropped) == (0, 0, 0)


async def test_a_flush_ends_while_records_arrive(make_recorder: MakeRecorder, tmp_path: Path) -> None:
    flush_seconds, count, started = 0.2, 500, time.monotonic()
    recorder = make_recorder(NOWHERE, telemetry_flush_seconds=flush_seconds)
    await recorder.start()
    for record in numbered(0, count):
        recorder.record(record)
        await asyncio.sleep(0.001)
    await recorder.close()
    seconds = time.monotonic() - started
    [directory] = tmp_path.glob("wal/0*")
    wal = WriteAheadLog(directory, 0)
    batches = wal.first()
    wal.close()
    assert sum(batch.count for batch in batches) == count
    # The start and the end have one of their own.
    assert len(batches) <= seconds / flush_seconds + 2


async def test_close_writes_the_remaining_records(make_recorder: MakeRecorder, mongo_url: str, tmp_path: Path) -> None:
    recorder = make_recorder(mongo_url, telemetry_flush_seconds=60)
    await recorder.start()
    # Closing has a timeout, which making the collections may exceed on a busy machine.
    await until(lambda: recorder.connected)
    recorder.record(make_record(1))
    await recorder.close()
    assert request_ids(mongo_url) == ["r1"]
    assert not segments(tmp_path)


@pytest.mark.parametrize(
    "hostile",
    [
        "$where",
        "a.b",
        "\x00",
        "\ud800",
        "\udfff/..",
        "x" * 1_000_000,
        "\u202e",
        "\r\nSet-Cookie: a=b",
        "\U0001f4f7" * 9999,
    ],
)
async def test_hostile_text_is_recorded_as_plain_text(
    hostile: str, make_recorder: MakeRecorder, mongo_url: str, mongo: Database[dict[str, Any]]
) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    names = ("method", "route", "path", "request_id", "user_id", "credential_id", "client", "error_slug")
    recorder.record(make_record(1))
    values: dict[str, Any] = dict.fromkeys(names, hostile)
    raw = hostile.encode("utf-8", "replace")
    recorder.record(make_record(2, **values, query=raw, user_agent=raw, traceparent=raw))
    await until(lambda: recorder.written == 2)
    found = next(document for document in mongo.request_logs.find() if document["request_id"] != "r1")
    assert found["user_agent"].isprintable()
    assert len(found["user_agent"]) <= 2560
    assert found["meta"]["method"] == "OTHER"


async def test_an_invalid_record_does_not_affect_the_others(make_recorder: MakeRecorder, mongo_url: str) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    for number, statements in enumerate((1, 2**70, 1)):
        recorder.record(make_record(number, statements=statements))
    await until(lambda: recorder.written == 2)
    assert recorder.dropped == 1
    assert request_ids(mongo_url) == ["r0", "r2"]


async def test_records_that_make_a_batch_larger_than_a_document_may_be(
    make_recorder: MakeRecorder, mongo_url: str
) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    for number in range(2000):
        recorder.record(make_record(number, path="\U000e0001" * 1024, user_id=f"{number}" + "\U000e0001" * 250))
    await until(lambda: recorder.written == 2000, 30)
    assert recorder.dropped == 0
    assert len(set(request_ids(mongo_url))) == 2000


async def test_queue_is_bounded_and_drops_are_counted(make_recorder: MakeRecorder) -> None:
    recorder = make_recorder(NOWHERE, telemetry_queue_size=100)
    await recorder.start()
    for record in numbered(0, 150):
        recorder.record(record)
    assert (recorder.queue_length, recorder.dropped) == (100, 50)


@pytest.mark.parametrize(
    ("queue_size", "count"), [(8, 4), (100, 50 + SLICE_RECORDS - 1), (10_000, BATCH_RECORDS + SLICE_RECORDS - 1)]
)
async def test_a_full_batch_does_not_wait_for_the_interval(
    queue_size: int, count: int, make_recorder: MakeRecorder, mongo_url: str
) -> None:
    recorder = make_recorder(mongo_url, telemetry_queue_size=queue_size, telemetry_flush_seconds=600)
    await recorder.start()
    await until(lambda: recorder.connected)
    for record in numbered(0, count):
        recorder.record(record)
    await until(lambda: recorder.written == count)
    assert recorder.dropped == 0


async def test_write_ahead_log_is_bounded_and_drops_are_counted(make_recorder: MakeRecorder, tmp_path: Path) -> None:
    recorder = make_recorder(NOWHERE, telemetry_spill_max_bytes=300_000)
    await recorder.start()
    for record in numbered(0, 3000):
        recorder.record(record)
    await until(lambda: recorder.queue_length == 0)
    await until(lambda: recorder.undelivered + recorder.dropped == 3000)
    assert recorder.undelivered >= 500
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 301_000


async def test_without_a_directory_records_wait_in_memory(mongo_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    recorder = Recorder(telemetry_settings(mongo_url), tmp_path / "file")
    await recorder.start()
    recorder.record(make_record(7))
    await until(lambda: recorder.written == 1)
    assert "imts_telemetry_written_total 1" in await recorder.metrics_text()
    await recorder.close()
    assert request_ids(mongo_url) == ["r7"]


async def test_a_log_of_another_version_does_not_stop_the_recorder(
    make_recorder: MakeRecorder, mongo_url: str, tmp_path: Path
) -> None:
    forms = ("[]", "null", "{}", '{"time": 1, "counters": [], "gauges": {}, "requests": [[1]]}')
    for number, snapshot in enumerate(forms):
        directory = tmp_path / "wal" / f"{number:04d}"
        directory.mkdir(parents=True)
        (directory / "figures.json").write_text(snapshot)
        (directory / "old-format.seg").write_bytes(b"?")
    wal = WriteAheadLog(tmp_path / "wal" / "0000", 1_000_000)
    for payload in (bson.encode({"heading": 1}), b"no document at all"):
        wal.append(payload, 3)
    wal.close()
    recorder = make_recorder(mongo_url)
    await recorder.start()
    recorder.record(make_record(7))
    await until(lambda: recorder.written == 1)
    text = await recorder.metrics_text()
    assert "imts_telemetry_written_total 1" in text
    assert "imts_telemetry_unreadable_total 6" in text
    assert request_ids(mongo_url) == ["r7"]


async def test_an_unreadable_batch_does_not_affect_the_others(tmp_path: Path) -> None:
    wal = WriteAheadLog(tmp_path, 1_000_000)
    encoder = RunEncoder(wal.run_id, DocumentEncoder("worker", PersonalData("keep", "s" * 40), frozenset()))
    for number in range(3):
        records = [make_record(number)]
        builder = BatchBuilder(encoder)
        builder.add(records, group_records(records))
        wal.append(builder.payload(), builder.count)
    [segment] = tmp_path.glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 1)
    assert len(wal.first()) == 2
    for _ in range(2):
        wal.acknowledge()
    with pytest.raises(OSError, match="missing"):
        wal.first()
    wal.close()


async def test_a_worker_without_file_descriptors_loses_no_record(make_recorder: MakeRecorder, mongo_url: str) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    recorder.record(make_record(6))
    # From now on there is a file to write to; it is opened once more to be read.
    await until(lambda: recorder.written == 1)
    with no_descriptor_left():
        recorder.record(make_record(7))
        await until(lambda: not recorder.connected)
    await until(lambda: recorder.written == 2)
    assert "imts_telemetry_unreadable_total 0" in await recorder.metrics_text()
    assert request_ids(mongo_url) == ["r6", "r7"]


async def test_a_deleted_directory_is_created_again(
    make_recorder: MakeRecorder, mongo_url: str, tmp_path: Path
) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    recorder.record(make_record(6))
    await until(lambda: recorder.written == 1)
    # The snapshot may be published into it meanwhile: then the directory itself remains.
    shutil.rmtree(tmp_path / "wal", ignore_errors=True)
    assert not segments(tmp_path)
    recorder.record(make_record(7))
    await until(lambda: recorder.written == 2)
    # Published with a flush, the next one at the latest.
    await until((tmp_path / "wal" / "0000" / "figures.json").exists)
    assert "imts_telemetry_unreadable_total 0" in await recorder.metrics_text()


async def test_start_and_close_do_not_need_mongo(make_recorder: MakeRecorder, tmp_path: Path) -> None:
    recorder = make_recorder(NOWHERE)
    await recorder.start()
    recorder.record(make_record())
    await recorder.close()
    assert len(segments(tmp_path)) == 1


async def test_a_restart_delivers_the_records_of_an_outage_once_and_in_order(
    make_recorder: MakeRecorder, mongo_url: str
) -> None:
    before = make_recorder(NOWHERE)
    await before.start()
    for record in numbered(0, 700):
        before.record(record)
    await before.close()
    after = make_recorder(mongo_url)
    await after.start()
    for record in numbered(700, 700):
        after.record(record)
    await until(lambda: after.written == 1400, 20)
    assert sorted(request_ids(mongo_url)) == sorted(f"r{number}" for number in range(1400))
    assert metrics_count(mongo_url) == 1400


async def test_existing_collections_are_used(
    make_recorder: MakeRecorder, mongo_url: str, mongo: Database[dict[str, Any]]
) -> None:
    for days in (30, 7):
        recorder = make_recorder(mongo_url, telemetry_retention_days=days, telemetry_metrics_retention_days=days)
        await recorder.start()
        recorder.record(make_record())
        await until(lambda recorder=recorder: recorder.written == 1)  # type: ignore[misc]
    logs = next(mongo.list_collections(filter={"name": "request_logs"}))
    assert logs["options"]["expireAfterSeconds"] == 7 * 86400
    assert mongo.request_metrics.index_information()["minute_ttl"]["expireAfterSeconds"] == 7 * 86400


async def test_a_collection_of_another_kind_is_not_changed(
    make_recorder: MakeRecorder, mongo_url: str, mongo: Database[dict[str, Any]]
) -> None:
    mongo.request_logs.insert_one({"not": "ours"})
    recorder = make_recorder(mongo_url)
    await recorder.start()
    recorder.record(make_record())
    await until(lambda: recorder.undelivered == 1)
    await recorder.close()
    assert recorder.written == 0
    assert mongo.request_logs.count_documents({}) == 1
