import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database

from app.telemetry.recording.recorder import Recorder
from tests.support.server import serving
from tests.telemetry.recorded_app import make_app
from tests.telemetry.records import telemetry_settings, until

pytestmark = pytest.mark.integration

Mongo = Database[dict[str, Any]]


@pytest.fixture
async def recorder(mongo_url: str, tmp_path: Path) -> Recorder:
    return Recorder(telemetry_settings(mongo_url), tmp_path / "wal")


@pytest.fixture
async def url(recorder: Recorder) -> AsyncIterator[str]:
    async with serving(make_app(recorder)) as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


async def _recorded(recorder: Recorder, mongo: Mongo, count: int = 1) -> list[dict[str, Any]]:
    await until(lambda: recorder.written == count)
    return list(mongo.request_logs.find().sort("_id"))


async def test_a_response_of_each_kind(client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "mine", "User-Agent": "curl/8", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    response = await client.get("/v1/things/7?limit=5&q=secret", headers=headers)
    [found] = await _recorded(recorder, mongo)
    assert found["meta"] == {"method": "GET", "route": "/v1/things/{thing_id}", "status_class": "2xx"}
    expected = {
        "path": "/v1/things/7",
        "query": "limit=5&q=[redacted]",
        "status": 200,
        "bytes_in": 0,
        "bytes_out": len(response.content),
        "user_id": "user-1",
        "credential_id": "session-1",
        "client": "127.0.0.1",
        "user_agent": "curl/8",
        "request_id": "mine",
        "trace_id": trace,
        "statements": 2,
        "statement_ms": 500.0,
        "cache_hits": 1,
        "cache_misses": 1,
        "client_disconnected": False,
        "aborted": False,
    }
    assert found | expected == found
    assert 0 < found["first_byte_ms"] <= found["duration_ms"] < 60_000


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "slug"),
    [
        ("GET", "/nowhere", "unmatched", 404, "not-found"),
        ("PUT", "/v1/things/1", "/v1/things/{thing_id}", 405, "method-not-allowed"),
        ("GET", "/v1/things/x", "/v1/things/{thing_id}", 422, "validation-error"),
        ("GET", "/v1/things/404", "/v1/things/{thing_id}", 404, "image-not-found"),
        ("GET", "/v1/things/500", "/v1/things/{thing_id}", 500, "internal-error"),
        ("HEAD", "/v1/things/1", "/v1/things/{thing_id}", 200, None),
        ("GET", "/v1/things/nested/stream/short", "/v1/things/nested/stream/{mode}", 200, None),
        ("PROPFIND", "/v1/things/1", "/v1/things/{thing_id}", 405, "method-not-allowed"),
    ],
)
async def test_route_status_and_slug(
    client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo, method: str, path: str, route: str, status: int,
    slug: str | None,
) -> None:  # fmt: skip
    response = await client.request(method, path)
    [found] = await _recorded(recorder, mongo)
    assert response.status_code == found["status"] == status
    assert found["meta"]["route"] == route
    assert found["meta"]["method"] == ("OTHER" if method == "PROPFIND" else method)
    assert found.get("error_slug") == slug
    assert found["bytes_out"] == (0 if method == "HEAD" else len(response.content))


async def test_body_is_counted(client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo) -> None:
    await client.post("/v1/things/", content=b"x" * 200_000)
    assert (await _recorded(recorder, mongo))[0]["bytes_in"] == 200_000


async def test_a_response_that_a_bug_ends(client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/v1/things/nested/stream/bug")
    [found] = await _recorded(recorder, mongo)
    assert (found["status"], found["aborted"], found["error_slug"]) == (200, True, "internal-error")
    assert not found["client_disconnected"]


async def test_a_client_disconnects_during_the_response(
    client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo
) -> None:
    async with client.stream("GET", "/v1/things/nested/stream/endless") as response:
        await anext(response.aiter_bytes())
    [found] = await _recorded(recorder, mongo)
    assert (found["client_disconnected"], found["aborted"]) == (True, True)
    assert recorder.in_flight == 0


async def test_a_client_disconnects_before_the_response(url: str, recorder: Recorder, mongo: Mongo) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b"POST /v1/things/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
    await writer.drain()
    writer.close()
    [found] = await _recorded(recorder, mongo)
    assert (found["status"], found["client_disconnected"], found["bytes_in"]) == (499, True, 3)
    assert found["meta"]["status_class"] == "4xx"
    del reader


async def test_a_canary_is_found_nowhere(
    client: httpx.AsyncClient, recorder: Recorder, mongo: Mongo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "C4naryC4nary"
    names = ("Authorization", "Cookie", "Referer", "X-Forwarded-For", "X-Api-Key", "Accept-Language", canary)
    for status in ("1", "404", "500", "x"):
        await client.get(
            f"/v1/things/{status}",
            headers=dict.fromkeys(names, canary),
            params={
                "q": canary,
                "limit": canary,
                "access_token": canary,
                canary: "1",
                "code": canary,
                "user_id": canary,
            },
        )
    await client.post("/v1/things/", data={"password": canary}, headers={"Cookie": canary})
    await client.post("/v1/things/", files={canary: (canary, canary.encode())})
    found = await _recorded(recorder, mongo, 6)
    await recorder.close()
    assert canary not in str(found)
    assert canary not in str(list(mongo.request_metrics.find()))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
    # The test's own client and server log as well, once another test has set the level; the service's do not.
    assert not [one for one in caplog.records if one.name.startswith("app") and canary in one.getMessage()]
