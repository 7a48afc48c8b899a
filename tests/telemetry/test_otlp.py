"""The export of traces and metrics: a real collector decodes those of a journey on real backends."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr, ValidationError
from pymongo.database import Database

from app.core.settings import Settings
from tests.support.accounts import Account
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, running_receiver
from tests.support.server import running_service
from tests.telemetry.records import telemetry_settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@asynccontextmanager
async def _recording_relay(target: str, heads: list[bytes]) -> AsyncIterator[str]:
    """Forward connections to `target`, and note the request heads."""
    host, _, port = target.rpartition(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[bytes] | None) -> None:
        while data := await reader.read(65536):
            if seen is not None:
                seen.append(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, to_writer, heads), copy(to_reader, writer, None), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _travel(url: str, user: Account, admin: Account, photo: bytes) -> None:
    """Upload, search twice, fetch, and read the request log, in one trace."""
    headers = {"Authorization": user.client.headers["Authorization"], "traceparent": TRACEPARENT}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        uploaded = await client.post("/v1/images", files={"image": ("a.png", photo)}, data={"tags": "cat"})
        assert uploaded.status_code == 201
        for _ in range(2):
            assert len((await client.get("/v1/images", params={"q": "cat"})).json()["items"]) == 1
        assert (await client.get(f"/v1/images/{uploaded.json()['id']}/content")).content == photo
        assert (await client.get("/healthz")).is_success
        log = await client.get("/v1/ops/requests", headers=dict(admin.client.headers) | {"traceparent": TRACEPARENT})
        assert log.is_success, log.text


def _servers(receiver: OtlpReceiver) -> list[ReceivedSpan]:
    return [span for span in receiver.spans if span.kind == Span.SPAN_KIND_SERVER]


async def test_a_collector_decodes_the_traces_and_metrics_of_a_journey(
    user: Account, admin: Account, settings: Settings, photo: bytes, mongo_url: str, mongo: Database[dict[str, Any]]
) -> None:
    heads: list[bytes] = []
    mongo.command({"profile": 2})
    with running_receiver() as receiver:
        async with _recording_relay(settings.storage_endpoint, heads) as store:
            own = settings.model_copy(
                update={
                    "otel_exporter_otlp_endpoint": receiver.url,
                    "otel_exporter_otlp_headers": SecretStr("x-api-key=k1"),
                    "mongo_url": SecretStr(mongo_url),
                    "storage_endpoint": store,
                }
            )
            async with running_service(own) as service:
                await _travel(service.url, user, admin, photo)
        assert receiver.headers[0]["x-api-key"] == "k1"
        _check_spans(receiver, heads)
        _check_metrics(receiver)
    comments = [one["command"].get("comment") for one in mongo.system.profile.find({"command.find": "request_logs"})]
    mongo.command({"profile": 0})
    servers = {span.span_id for span in _servers(receiver)}
    assert any(str(comment).split("-")[1:3] == [TRACE, span] for comment in comments for span in servers)


def _check_spans(receiver: OtlpReceiver, heads: list[bytes]) -> None:
    servers = {span.name: span for span in _servers(receiver)}
    assert set(servers) == {
        "POST /v1/images",
        "GET /v1/images",
        "GET /v1/images/{image_id}/content",
        "GET /v1/ops/requests",
    }
    assert {span.trace_id for span in receiver.spans} == {TRACE}
    upload = servers["POST /v1/images"]
    assert upload.parent_id == TRACEPARENT.split("-")[2]
    assert upload.attributes["http.response.status_code"] == 201
    assert re.fullmatch("[0-9a-f]{32}", upload.attributes["imts.request_id"])
    assert receiver.resources[0]["service.name"] == "imts"
    # The second search came from the cache, before the router.
    searches = [span for span in _servers(receiver) if span.name == "GET /v1/images"]
    assert {span.attributes["http.route"] for span in searches} == {"/v1/images"}
    assert {span.attributes["url.query"].partition("&")[0] for span in searches} == {"q=[redacted]"}
    calls = [span for span in receiver.spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert all(0 <= span.seconds < 60 for span in calls)
    ids = {span.span_id for span in servers.values()} | {span.span_id for span in searches}
    assert {span.parent_id for span in calls} <= ids
    puts = [span for span in calls if span.name == "PUT"]
    assert puts
    assert puts[0].parent_id == upload.span_id
    assert puts[0].attributes["http.response.status_code"] == 200
    assert f"traceparent: 00-{TRACE}-{puts[0].span_id}-01".encode() in b"".join(heads).lower()
    assert [span for span in calls if span.attributes.get("db.system.name") == "postgresql"]
    reads = [span for span in calls if span.name == "find request_logs"]
    assert reads[0].parent_id == servers["GET /v1/ops/requests"].span_id


def _check_metrics(receiver: OtlpReceiver) -> None:
    durations = receiver.metrics["http.server.request.duration"]
    assert sum(point.count for point in durations) == len(_servers(receiver))
    exemplars = [one for point in durations for one in point.exemplars]
    assert {one.trace_id.hex() for one in exemplars} == {TRACE}
    assert {one.span_id.hex() for one in exemplars} <= {span.span_id for span in _servers(receiver)}
    # Earlier services of the process are counted, too.
    assert receiver.value("imts_decode_duration_seconds_count", task="check") >= 1
    assert receiver.value("imts_decode_duration_seconds_sum", task="check") > 0
    assert receiver.value("imts_workers") == 1
    assert receiver.value("imts_queue_length", queue="uploads") == 0
    assert "imts_images" in receiver.metrics


async def test_a_missing_collector_delays_nothing(user: Account, settings: Settings, photo: bytes) -> None:
    own = settings.model_copy(update={"otel_exporter_otlp_endpoint": "http://127.0.0.1:9"})
    async with running_service(own) as service:
        headers = {"Authorization": user.client.headers["Authorization"]}
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as client:
            assert (await client.post("/v1/images", files={"image": ("a.png", photo)})).status_code == 201


@pytest.mark.integration
def test_without_a_collector_no_exporter_is_imported() -> None:
    program = (
        "import sys; from app.core.settings import Settings; from app.main import create_app; "
        "create_app(Settings(_env_file=None)); "
        "sys.exit(any(name.startswith('opentelemetry.exporter') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)  # noqa: S603


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://", "http://a?b", "http://a b"])
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        telemetry_settings("", otel_exporter_otlp_endpoint=endpoint)
