"""Reading over HTTP: /v1/ops/requests and /v1/ops/metrics."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.authz.principal import Principal
from app.core.pagination import CursorSigner
from app.models import User
from app.ops.router import router
from app.telemetry.recording.recorder import Recorder
from tests.support.server import serving
from tests.telemetry.mongod import Mongod
from tests.telemetry.recorded_app import make_app
from tests.telemetry.records import make_record, telemetry_settings, until

pytestmark = pytest.mark.integration

ADMIN = Principal(User(is_admin=True))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = {"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}


@pytest.fixture
async def recorder(mongo_url: str, tmp_path: Path) -> Recorder:
    return Recorder(telemetry_settings(mongo_url), tmp_path / "wal")


@pytest.fixture
async def client(recorder: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(recorder, router, cursors=CursorSigner("s" * 40), principal=ADMIN)
    async with serving(app) as url, httpx.AsyncClient(base_url=f"{url}/v1/ops") as client:
        yield client


async def _record(recorder: Recorder, records: list[Any]) -> None:
    for record in records:
        recorder.record(record)
    await until(lambda: recorder.queue_length == 0 and recorder.undelivered == 0 and recorder.written >= len(records))


async def _pages(client: httpx.AsyncClient, params: dict[str, Any]) -> list[list[str]]:
    pages, cursor = [], None
    while True:
        response = await client.get("/requests", params=params | ({"cursor": cursor} if cursor else {}))
        assert response.status_code == 200, response.text
        pages.append([item["request_id"] for item in response.json()["items"]])
        if not (cursor := response.json()["next_cursor"]):
            return pages
        assert 'rel="next"' in response.headers["link"]


async def test_pages_skip_and_repeat_nothing(client: httpx.AsyncClient, recorder: Recorder) -> None:
    rng = random.Random(1)
    # Many requests in the same millisecond, and not in the order in which they are recorded.
    times = [NOON + timedelta(milliseconds=rng.randrange(8)) for _ in range(200)]
    await _record(recorder, [make_record(number, time=time) for number, time in enumerate(times)])
    pages = await _pages(client, DAY | {"limit": 7})
    found = [name for page in pages for name in page]
    assert sorted(found) == sorted(f"r{number}" for number in range(200))
    assert all(len(page) == 7 for page in pages[:-1])
    moments = [times[int(name[1:])] for name in found]
    assert moments == sorted(moments, reverse=True)


async def test_filters(client: httpx.AsyncClient, recorder: Recorder) -> None:
    values: list[dict[str, Any]] = [
        {},
        {"status": 404, "error_slug": "image-not-found"},
        {"status": 500, "method": "POST", "duration_ms": 900.0},
        {"status": 503, "user_id": "u1", "route": "/v1/tags"},
    ]
    await _record(recorder, [make_record(number, time=NOON, **one) for number, one in enumerate(values)])
    for params, expected in (
        ({"status": "404"}, {"r1"}),
        ({"status": "5xx"}, {"r2", "r3"}),
        ({"method": "POST"}, {"r2"}),
        ({"user_id": "u1"}, {"r3"}),
        ({"route": "/v1/tags"}, {"r3"}),
        ({"request_id": "r0"}, {"r0"}),
        ({"min_ms": 500}, {"r2"}),
        ({"route": "$where"}, set()),
        ({"until": "2026-11-20T11:59:59Z"}, set()),
    ):
        assert set((await _pages(client, DAY | params))[0]) == expected, params


@pytest.mark.parametrize(
    "params",
    [
        {"status": "abc"},
        {"limit": 101},
        {"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"route": "a\x00"},
        {"min_ms": "nan"},
        {"since": "2026-11-21T00:00:00"},
    ],
)
async def test_bad_parameters_are_422(client: httpx.AsyncClient, params: dict[str, Any]) -> None:
    response = await client.get("/requests", params=params)
    assert response.status_code == 422, response.text


async def test_a_cursor_of_another_query_is_refused(client: httpx.AsyncClient, recorder: Recorder) -> None:
    await _record(recorder, [make_record(number, time=NOON) for number in range(3)])
    cursor = (await client.get("/requests", params=DAY | {"limit": 1})).json()["next_cursor"]
    response = await client.get("/requests", params=DAY | {"cursor": cursor, "status": "5xx"})
    assert (response.status_code, response.json()["type"]) == (400, "/problems/invalid-cursor")


@pytest.mark.parametrize("group_by", ["route", "status", "user"])
async def test_metrics(client: httpx.AsyncClient, recorder: Recorder, group_by: str) -> None:
    records = [
        make_record(
            number,
            time=NOON + timedelta(seconds=number),
            duration_ms=float(number + 1),
            status=500 if number % 10 == 0 else 200,
            user_id="u1" if number % 2 else None,
            bytes_out=10,
        )
        for number in range(600)
    ]
    await _record(recorder, records)
    response = await client.get("/metrics", params=DAY | {"step": 300, "group_by": group_by})
    items = response.json()["items"]
    assert sum(item["count"] for item in items) == 600
    assert sum(item["errors"] for item in items) == 60
    assert sum(item["bytes_out"] for item in items) == 6000
    assert sorted({item["start"] for item in items}) == ["2026-11-20T12:00:00Z", "2026-11-20T12:05:00Z"]
    groups = {"route": {"/v1/images/{id}"}, "status": {"2xx", "5xx"}, "user": {"u1", "anonymous"}}
    assert {item["group"] for item in items} == groups[group_by]
    if group_by == "route":
        assert items[0]["p50_ms"] == pytest.approx(150, rel=0.05)
        assert items[0]["p99_ms"] == pytest.approx(297, rel=0.05)
        assert items[1]["p95_ms"] == pytest.approx(585, rel=0.05)


async def test_too_many_points_are_422(
    client: httpx.AsyncClient, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ops.router.MAX_POINTS", 2)
    await _record(recorder, [make_record(number, time=NOON + timedelta(minutes=number)) for number in range(3)])
    response = await client.get("/metrics", params=DAY)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "step"])


async def _assert_503(recorder: Recorder, mongod: Mongod | None) -> None:
    app = make_app(recorder, router, cursors=CursorSigner("s" * 40), principal=ADMIN)
    async with serving(app) as url, httpx.AsyncClient() as client:
        if mongod:
            assert (await client.get(f"{url}/v1/ops/requests")).status_code == 200
            mongod.freeze()
        responses = await asyncio.gather(*(client.get(f"{url}/v1/ops/{path}") for path in ("requests", "metrics")))
        for response in responses:
            assert (response.status_code, response.json()["type"]) == (503, "/problems/telemetry-unavailable")
            assert int(response.headers["retry-after"]) > 0
            # The contract says 2 s; twice that on a machine that does other things as well.
            assert response.elapsed.total_seconds() < 4


@pytest.mark.integration
async def test_a_missing_mongodb_is_503_soon(tmp_path: Path) -> None:
    await _assert_503(Recorder(telemetry_settings("mongodb://127.0.0.1:1/imts"), tmp_path), None)


async def test_a_frozen_mongodb_is_503_soon(mongod: Mongod, tmp_path: Path) -> None:
    await _assert_503(Recorder(telemetry_settings(mongod.url), tmp_path / "wal"), mongod)
