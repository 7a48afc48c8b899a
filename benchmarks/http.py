"""Compares the reads of the service with bare FastAPI on the same machine, in one run.

    python -m benchmarks.http [--seconds 2] [--rounds 3] [--images 20000] [--json docs/performance/http.json]

Needs `wrk` on PATH. It starts its own servers: the embedded backends with a collection by benchmarks.dataset, the
service and the baselines. The service runs as one worker with its cache, one without, one without Redis, and two
workers with the cache. The baselines are bare FastAPI (benchmarks.baselines) with one worker and two, and the object
store by itself. Each round measures every subject for a slice of time, in another order. The report has the median of
the rounds and its ratios to the baselines.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from app.core.settings import Settings
from app.db.database import Database
from app.db.schema.schema_upgrade import upgrade
from app.storage.object_store import ObjectStore
from benchmarks.dataset import load
from benchmarks.service import Server, serving
from devstack import Stack
from tests.images.files import noise_jpeg
from tests.support.accounts import add_account

CONNECTIONS = 16
PATHS = 200
SCRIPT = Path(__file__).with_name("paths.lua")


@dataclass(frozen=True, slots=True)
class Subject:
    """The requests to measure: several paths in turn, of one server."""

    name: str
    server: Server
    paths: Sequence[str]
    headers: dict[str, str]
    floor: str = ""
    status: int = 200


def measure(subject: Subject, directory: Path, seconds: int) -> tuple[float, float]:
    """Return requests a second, by wrk, and the microseconds of CPU that each cost the server.

    Raises RuntimeError when one response is not as expected.
    """
    listing = directory / f"{random.getrandbits(64):x}"
    listing.write_text("\n".join(subject.paths))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT)]
    for name, value in subject.headers.items():
        command += ["-H", f"{name}: {value}"]
    before = subject.server.cpu_seconds()
    output = subprocess.run(  # noqa: S603
        [*command, subject.server.url, "--", str(listing), str(subject.status)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wrong = re.search(r"unexpected: (\d+)", output)
    if "Socket errors" in output or wrong is None or wrong[1] != "0":
        raise RuntimeError(f"{subject.name}: {output}")
    rate, requests = (float(re.findall(rf"{name}: ([\d.]+)", output)[0]) for name in ("rate", "requests"))
    return rate, (subject.server.cpu_seconds() - before) / requests * 1e6


def warm(subject: Subject) -> None:
    """Request each path once."""
    with httpx.Client(base_url=subject.server.url, headers=subject.headers) as client:
        for path in subject.paths:
            response = client.get(path)
            if response.status_code != subject.status:
                raise RuntimeError(f"{subject.name}: {response.status_code} {response.text}")


async def prepare(settings: Settings, images: int) -> tuple[list[str], list[str], str]:
    """Fill the database; return ids of public images, names of common tags, and an access token of a user."""
    objects = ObjectStore(settings)
    await objects.ensure_bucket()
    await objects.close()
    url = settings.database_url.get_secret_value()
    await load(url, images, 1)
    connection = await asyncpg.connect(url)
    ids = await connection.fetch("SELECT id FROM images WHERE visibility = 'public' ORDER BY sha256 LIMIT $1", PATHS)
    names = await connection.fetch("SELECT name FROM tags WHERE name !~ ' ' ORDER BY image_count DESC LIMIT 40")
    await connection.close()
    database = Database(settings)
    account = await add_account("http://127.0.0.1", settings, database, "bench@example.com", is_admin=False)
    await account.client.aclose()
    await database.close()
    return [str(row["id"]) for row in ids], [row["name"] for row in names], account.access_token


async def copy_database(url: str) -> str:
    """Start a copy of the service with its own cache, and return its address."""
    root, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{root}/postgres")
    await connection.execute(f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}"')
    await connection.close()
    copied = await asyncpg.connect(f"{root}/{name}_copy")
    await copied.execute("UPDATE cache_state SET namespace = gen_random_uuid()")
    await copied.close()
    return f"{root}/{name}_copy"


@contextmanager
def subjects(images: int) -> Iterator[list[Subject]]:
    """Start all servers; stop them at the end."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="imts-bench-", ignore_cleanup_errors=True))
        backends = stack.enter_context(Stack(Path(directory) / "data", report=lambda _line: None))
        os.environ.update(backends.addresses())
        os.environ.update(APP_ENV="development", JWT_SECRET="b" * 48, LOG_LEVEL="ERROR")
        settings = Settings()
        upgrade(settings.sqlalchemy_direct_url)
        ids, names, token = asyncio.run(prepare(settings, images))
        lonely = asyncio.run(copy_database(os.environ["DATABASE_URL"]))

        def service(name: str, *options: str, **environment: str) -> Server:
            command = [sys.executable, "-m", "app", "serve", *options]
            wal = f"{directory}/wal-{name}"
            return stack.enter_context(serving(command, "/healthz", TELEMETRY_SPILL_DIR=wal, **environment))

        def floor(workers: int) -> Server:
            command = [sys.executable, "-m", "uvicorn", "benchmarks.baselines:app", "--loop", "uvloop"]
            command += ["--http", "httptools", "--no-access-log", "--workers", str(workers)]
            return stack.enter_context(serving(command, "/static"))

        servers = {
            "floor": floor(1),
            "floor 2": floor(2),
            "cached": service("cached"),
            "uncached": service("uncached", CACHE_ENABLED="false"),
            "no redis": service("lonely", DATABASE_URL=lonely, REDIS_URL="redis://127.0.0.1:9/0"),
            "two": service("two", "--workers", "2"),
        }
        content, url = upload(servers["cached"], token)
        pid = json.loads(backends.pid_file("object_store").read_text())["pid"]
        servers["store"] = Server(f"http://{os.environ['STORAGE_ENDPOINT']}", psutil.Process(pid))
        bytes_of_one = [
            Subject("the store alone, 50 KB", servers["store"], [url.removeprefix(servers["store"].url)], {}),
            Subject("content, 50 KB", servers["cached"], [content], {}, "the store alone, 50 KB"),
        ]
        yield _subjects(servers, ids, names, token) + bytes_of_one


def upload(server: Server, token: str) -> tuple[str, str]:
    """Upload a picture of 50 KB; return the path of its content, and its URL at the object store."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
        links = (
            client.post("/v1/images", files={"image": ("50K.jpg", noise_jpeg(50_000))})
            .raise_for_status()
            .json()["links"]
        )
        url = client.get(f"{links['self']}/url?expires_in=3600").raise_for_status().json()["url"]
    return links["content"], url


def _subjects(servers: dict[str, Server], ids: list[str], names: list[str], token: str) -> list[Subject]:
    one = [f"/v1/images/{one}" for one in ids]
    pages = [f"/v1/images?q={a}+{b}&limit=20" for a, b in zip(names[::2], names[1::2], strict=True)]
    completions = [f"/v1/tags?prefix={name[:2]}&limit=10" for name in names]
    static, select = "bare FastAPI, static model", "bare FastAPI, asyncpg SELECT"
    signed_in = {"Authorization": f"Bearer {token}"}
    known = {"If-None-Match": "*"}
    found = [
        Subject(static, servers["floor"], ["/static"], {}),
        Subject(select, servers["floor"], [f"/select/{one}" for one in ids], {}, static),
        Subject(f"{static}, 2 workers", servers["floor 2"], ["/static"], {}),
        Subject(f"{select}, 2 workers", servers["floor 2"], [f"/select/{one}" for one in ids], {}),
    ]
    for kind, paths in (("image", one), ("search", pages), ("completion", completions)):
        found += [
            Subject(f"{kind}, warm", servers["cached"], paths, {}, select),
            Subject(f"{kind}, warm, 304", servers["cached"], paths, known, f"{kind}, warm", 304),
            Subject(f"{kind}, cache off", servers["uncached"], paths, {}, select),
            Subject(f"{kind}, Redis stopped", servers["no redis"], paths, {}, f"{kind}, cache off"),
            Subject(f"{kind}, warm, 2 workers", servers["two"], paths, {}, f"{select}, 2 workers"),
        ]
    found += [
        Subject("image, signed in, warm", servers["cached"], one, signed_in, select),
        Subject("image, signed in, cache off", servers["uncached"], one, signed_in, select),
    ]
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and return the result."""
    rates: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    with subjects(options.images) as known, tempfile.TemporaryDirectory() as directory:
        measured = [one for one in known if re.search(options.only, one.name)]
        for subject in measured:
            warm(subject)
        started = os.getloadavg()[0]
        for number in range(options.rounds):
            for subject in random.Random(number).sample(measured, len(measured)):
                if "warm" in subject.name:
                    warm(subject)
                rate, microseconds = measure(subject, Path(directory), options.seconds)
                rates.setdefault(subject.name, []).append(rate)
                cpu.setdefault(subject.name, []).append(microseconds)
    medians = {subject.name: statistics.median(rates[subject.name]) for subject in measured}
    rows = [
        {
            "subject": subject.name,
            "rate": round(medians[subject.name], 1),
            "cpu_us": round(statistics.median(cpu[subject.name])),
            "rates": [round(one, 1) for one in rates[subject.name]],
            "floor": subject.floor,
            "ratio": round(ratio(rates, subject), 3) if subject.floor in rates else None,
        }
        for subject in measured
    ]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "load_before": round(started, 2),
        "connections": CONNECTIONS,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "images": options.images,
        "rows": rows,
    }


def ratio(rates: dict[str, list[float]], subject: Subject) -> float:
    """Return the median of the ratios of all rounds. Load that slows a whole round down cancels out."""
    return statistics.median(a / b for a, b in zip(rates[subject.name], rates[subject.floor], strict=True))


def main() -> None:
    """Measure, print a table in Markdown, and save the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--only", default="", help="a pattern of the subjects' names")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not on PATH: it is a package of that name on most systems")
    result = run(options)
    print(f"load before: {result['load_before']}\n")
    print("| subject | requests/s | CPU µs each | against | ratio |\n|---|---|---|---|---|")
    for row in result["rows"]:
        print(f"| {row['subject']} | {row['rate']:.0f} | {row['cpu_us']} | {row['floor']} | {row['ratio'] or ''} |")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
