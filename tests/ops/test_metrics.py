import asyncio
import random
import re
import string
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import VERSION
from app.core.observability.duration_histogram import DurationHistogram
from app.db.database import Database
from app.ops.statistics.repository import ServiceStatistics, StatisticsRepository
from app.ops.statistics.service_report import summarize_decoder_tasks
from app.ops.statistics.statistics_refresh import StatisticsRefresh
from app.telemetry.metrics.prometheus_exposition import Registry, publish, read_workers
from app.telemetry.request_record import series_of
from tests.support.accounts import Account

# https://prometheus.io/docs/practices/naming/: base units, and suffixes that the types reserve.
NAME = re.compile(r"(imts|process)_[a-z]+(_[a-z]+)*")
OTHER_UNITS = ("_ms", "_milliseconds", "_minutes", "_hours", "_kib", "_mib", "_percent")
RESERVED = ("_total", "_count", "_sum", "_bucket", "_created", "_info")


async def _metrics_with(client: httpx.AsyncClient, pattern: str) -> str:
    """Return the metrics once a line matches: requests are counted a moment after their response."""
    async with asyncio.timeout(30):
        while not re.search(pattern, text := (await client.get("/metrics")).text, re.MULTILINE):
            await asyncio.sleep(0.05)
    return text


async def test_f86_the_schema_and_mounts_have_routes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).is_success
    page = (await client.get("/docs")).text
    assets = re.findall(r'(?:src|href)="(/[^"?]+)', page)
    for asset in assets:
        await client.get(asset)
    await client.get("/no-such-path")
    text = await _metrics_with(client, r'requests_total.*route="unmatched",status_class="4xx"')
    routes = set(re.findall(r'requests_total{method="GET",route="([^"]+)"', text))
    assert {"/openapi.json", "/docs"} <= routes
    assert assets
    assert not re.search(r'route="unmatched",status_class="[1235]xx"', text)


def test_f86_unmatched_is_404_only() -> None:
    assert {status for status in range(100, 600) if series_of("GET", "unmatched", status)[1] == "unmatched"} == {404}


async def test_f88_metrics_tell_the_build_and_the_process(client: httpx.AsyncClient) -> None:
    text = await _metrics_with(client, r'^imts_http_request_duration_seconds_bucket.*le="300\.0"')
    assert re.search(rf'^imts_build_info{{.*version="{re.escape(VERSION)}"}} 1\.0$', text, re.MULTILINE)
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_threads", "process_cpu_seconds_total"):
        value = re.search(rf"^{name} ([\d.e+]+)$", text, re.MULTILINE)
        assert value is not None, name
        assert float(value[1]) > 0, name


async def test_names_follow_the_conventions_of_prometheus(client: httpx.AsyncClient) -> None:
    await client.get("/v1/tags")
    text = await _metrics_with(client, r'requests_total{.*route="/v1/tags"')
    families = list(text_string_to_metric_families(text))
    assert len(families) > 30
    assert len({one.name for one in families}) == len(families)
    for family in families:
        assert NAME.fullmatch(family.name), family.name
        assert not family.name.endswith((*OTHER_UNITS, *RESERVED)) or family.name == "imts_build_info", family.name
        assert family.documentation, family.name
        for sample in family.samples:
            # The parser of this format takes an Info for a gauge.
            assert sample.name == (f"{family.name}_total" if family.type == "counter" else sample.name)
            assert sample.name.startswith(family.name)
            assert all(re.fullmatch("[a-z][a-z_]*", label) for label in sample.labels)
    types = {one.name: one.type for one in families}
    assert types["imts_http_request_duration_seconds"] == "histogram"
    assert {types["imts_images"], types["imts_queue_length"]} == {"gauge"}


async def test_a_scan_adds_two_series_at_most(client: httpx.AsyncClient) -> None:
    rng = random.Random(23)
    methods = ["GET", "POST", "PROPFIND", "LOCK", "TRACE", "REPORT", "MKCOL", "SEARCH"]
    known = ["/v1/images", "/v1/tags", "/v1/images/1/tags", "/metrics", "/healthz", "/docs", "/v1/uploads", "/"]
    before = _request_series(await _metrics_with(client, "imts_workers 1"))
    for _ in range(100):
        segments = ["".join(rng.choices(string.ascii_letters + ".~\0\xff", k=8)) for _ in range(rng.randrange(1, 4))]
        invented = "".join(rng.choices(string.ascii_uppercase, k=6))
        if rng.random() < 0.5:
            method, path = rng.choice(methods), "/" + quote("/".join(segments))
        else:
            method, path = rng.choice([*methods[2:], invented]), rng.choice(known)
        # The server refuses methods without a name in its parser before the application sees them.
        assert (await client.request(method, path)).status_code in (404, 405, 501), (method, path)
    text = await _metrics_with(client, r'route="method-not-allowed"')
    added = _request_series(text) - before - {("GET", "/metrics", "2xx")}
    assert added <= {("OTHER", "unmatched", "4xx"), ("OTHER", "method-not-allowed", "4xx")}


def _request_series(text: str) -> set[tuple[str, ...]]:
    return set(re.findall(r'requests_total{method="([^"]+)",route="([^"]+)",status_class="([^"]+)"}', text))


async def test_refusals_decoder_jobs_and_queues_are_metrics(
    client: httpx.AsyncClient, user: Account, photo: bytes
) -> None:
    before = (await client.get("/metrics")).text
    upload = await user.client.post("/v1/images", files={"image": ("a.png", photo)})
    assert upload.status_code == 201
    form = {"grant_type": "password", "username": user.email, "password": "not the password"}
    assert (await client.post("/v1/auth/token", data=form)).status_code == 401
    failures = _value(before, "imts_sign_in_failures_total") + 1
    text = await _metrics_with(client, f"^imts_sign_in_failures_total {failures}$")
    jobs, seconds = (f'imts_decode_duration_seconds_{one}{{task="check"}}' for one in ("count", "sum"))
    assert _value(text, jobs) == _value(before, jobs) + 1
    assert _value(text, seconds) > _value(before, seconds)
    assert {_value(text, f'imts_queue_length{{queue="{name}"}}') for name in ("decoders", "uploads", "searches")} == {0}
    assert _value(text, "imts_http_too_many_requests_total") == _value(before, "imts_http_too_many_requests_total")


def _value(text: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_statistics_count_the_stored_data(user: Account, database: Database, photo: bytes) -> None:
    image = (await user.client.post("/v1/images", files={"image": ("a.png", photo)})).json()
    await user.client.post("/v1/images", files={"image": ("b.png", photo)})
    assert (await user.client.delete(f"/v1/images/{image['id']}")).status_code == 204
    created = await user.client.post(
        "/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "99", "Upload-Metadata": "filename Yy5wbmc="}
    )
    assert created.status_code == 201
    statistics = StatisticsRefresh(database)
    await statistics.refresh()
    expected = ServiceStatistics(
        images=1,
        image_bytes=len(photo),
        trashed_images=1,
        trashed_bytes=len(photo),
        users=1,
        open_uploads=1,
        orphaned_objects=0,
    )
    assert statistics.latest == expected


async def test_images_without_an_account_count(user: Account, admin: Account, database: Database, photo: bytes) -> None:
    await user.client.post("/v1/images", files={"image": ("a.png", photo)})
    removed = await admin.client.delete(f"/v1/users/{user.id}")
    assert removed.status_code in (202, 204), removed.text
    async with database.read_session() as session:
        found = await StatisticsRepository(session).get()
    assert (found.images, found.image_bytes, found.users) == (1, len(photo), 1)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_newest_value_of_a_shared_gauge_counts(tmp_path: Path, order: tuple[str, str]) -> None:
    directories = []
    for name, value in zip(order, (3.0, 2.0), strict=True):
        registry = Registry()
        registry.gauge("imts_workers", "Workers", lambda: 1)
        registry.shared_gauge("imts_images", "Images", lambda value=value: value)  # type: ignore[misc]
        registry.shared_gauge("imts_users", "Accounts", lambda: None)
        (tmp_path / name).mkdir()
        publish(tmp_path / name, registry.snapshot())
        directories.append(tmp_path / name)
    text = registry.render(sorted(directories), "")
    assert (_value(text, "imts_workers"), _value(text, "imts_images")) == (2, 2)
    assert "\nimts_users " not in text


def test_a_histogram_continues_and_sums_the_workers(tmp_path: Path) -> None:
    name = 'imts_decode_duration_seconds{task="check"}'
    directories = [tmp_path / worker for worker in ("a", "b")]
    for directory, seconds in zip(directories, (0.02, 0.2), strict=True):
        directory.mkdir()
        # The second worker of each directory continues the first.
        for _ in range(2):
            registry, histogram = Registry(), DurationHistogram()
            registry.histogram(name, "Time of the jobs", histogram)
            registry.resume(directory)
            histogram.observe(seconds)
            publish(directory, registry.snapshot())
    text = registry.render(directories, "")
    assert _value(text, 'imts_decode_duration_seconds_bucket{le="0.025",task="check"}') == 2
    assert _value(text, 'imts_decode_duration_seconds_bucket{le="+Inf",task="check"}') == 4
    assert _value(text, 'imts_decode_duration_seconds_count{task="check"}') == 4
    assert _value(text, 'imts_decode_duration_seconds_sum{task="check"}') == pytest.approx(0.44)
    [task] = summarize_decoder_tasks(read_workers(directories, ""))
    assert (task.name, task.jobs) == ("check", 4)
    assert task.milliseconds[0] == pytest.approx(25)
    assert 100 < task.milliseconds[1] < task.milliseconds[2] <= 250
