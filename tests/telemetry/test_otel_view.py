"""The view of the request log in OpenTelemetry's names, read from a real MongoDB."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from app.core.observability.request_counters import SearchStep
from app.telemetry.mongo_store import RequestLog
from app.telemetry.otel_view import ATTRIBUTES, VIEW
from app.telemetry.recording.recorder import Recorder
from tests.telemetry.records import make_record, telemetry_settings, until

pytestmark = pytest.mark.integration

DOCUMENT = (Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md").read_text()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def test_a_record_has_the_names_of_the_conventions(
    mongo_url: str, mongo: Database[dict[str, Any]], make_recorder: Callable[..., Recorder]
) -> None:
    recorder = make_recorder(mongo_url)
    await recorder.start()
    complete: dict[str, Any] = {
        "time": NOON,
        "duration_ms": 1500,
        "first_byte": 2_000_000,
        "query": b"limit=5",
        "bytes_in": 3,
        "bytes_out": 7,
        "client": "10.0.0.1",
        "user_agent": b"curl/8",
        "user_id": "u1",
        "credential_id": "c1",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01".encode(),
        "search_trace": [SearchStep("ordered_scan", "probe", None, 5.0, 20, 20, 1.0)],
    }
    recorder.record(make_record(0, **complete, status=503, error_slug="database-busy"))
    recorder.record(make_record(1, time=NOON, method="PROPFIND", route="unmatched", status=404, error_slug="not-found"))
    recorder.record(make_record(2, time=NOON, status=500))
    await until(lambda: recorder.written == 3)
    failed, unmatched, bug = mongo[VIEW].find({"time": NOON}).sort("_id")
    for attribute in ATTRIBUTES:
        value = failed
        for name in attribute.split("."):
            assert name in value, attribute
            value = value[name]
    assert failed["http"] == {
        "request": {"method": "GET", "body": {"size": 3}},
        "response": {"status_code": 503, "body": {"size": 7}},
        "route": "/v1/images/{id}",
        "server": {"request": {"duration": 1.5}},
    }
    assert failed["url"] == {"path": "/v1/images/0", "query": "limit=5"}
    assert (failed["trace_id"], failed["error"]) == (TRACE, {"type": "database-busy"})
    assert (failed["client"], failed["user_agent"]) == ({"address": "10.0.0.1"}, {"original": "curl/8"})
    assert (unmatched["http"]["request"]["method"], "route" in unmatched["http"]) == ("_OTHER", False)
    assert "type" not in unmatched.get("error", {})
    assert bug["error"] == {"type": "500"}
    assert mongo[VIEW].count_documents({"time": NOON, "http.response.status_code": {"$gte": 500}}) == 2
    assert mongo[VIEW].count_documents({"time": {"$gt": NOON + timedelta(days=1)}}) == 0


async def test_an_earlier_view_is_replaced(mongo_url: str, mongo: Database[dict[str, Any]]) -> None:
    mongo.command({"create": VIEW, "viewOn": "request_logs", "pipeline": []})
    log = RequestLog(telemetry_settings(mongo_url))
    await log.ensure_collections()
    [found] = mongo.list_collections(filter={"name": VIEW})
    assert found["options"]["pipeline"][0]["$project"]["http"]["response"]["status_code"] == "$status"
    await log.close()


async def test_a_collection_with_its_name_stops_nothing(mongo_url: str, mongo: Database[dict[str, Any]]) -> None:
    mongo[VIEW].insert_one({"_id": 1})
    log = RequestLog(telemetry_settings(mongo_url))
    await log.ensure_collections()
    assert mongo[VIEW].find_one() == {"_id": 1}
    await log.close()


def test_the_reference_lists_every_attribute() -> None:
    section = DOCUMENT.partition("## OpenTelemetry's names")[2].partition("\n## ")[0]
    listed = {
        name for line in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`([^`]+)`", line)
    }
    assert listed == {*ATTRIBUTES, "time", "_id"}
