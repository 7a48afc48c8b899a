"""Measures searches over HTTP at several sizes, and compares them with the database alone and with naive SQL.

    python -m benchmarks.search --images 100000 1000000 --save docs/performance    # brings its own servers
    python -m benchmarks.search --url http://127.0.0.1:8000                        # a service that runs on a loaded one

One client, one request at a time. For each class of query, in milliseconds:

* http: the request as a client sees it;
* raw: the statements of the search, repeated by asyncpg without the service;
* naive: for the conjunctions, a join over `tagged`;
* writer: http while another client uploads 20 images a second.

Then the most expensive queries that the language permits, and the latency of other requests beside them. The second
form needs DATABASE_URL to name the database of the service, filled by `benchmarks.dataset`.
"""

import argparse
import asyncio
import itertools
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import VisibilityScope
from app.core.settings import Settings
from app.db.database import Database
from app.search.errors import QueryTooBroad
from app.search.executor import SearchEngine
from app.search.language.parser import parse
from app.search.planning.sort_order import SortOrder
from benchmarks import dataset
from benchmarks.background_load import searchers, writer
from benchmarks.dataset import names
from benchmarks.machine import watched
from benchmarks.queries import ATTACKS, COUNTED, EXPLAIN, IMAGES, JSON_SEARCH, SearchRequest, queries
from benchmarks.search_plot import plot
from benchmarks.service import OK, Client, servers, service

LIMIT = 40
# Searches are measured in memory, as in production: the images and their indexes fit.
POSTGRES = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
ANSWERS = (OK, 400, 503)
NAIVE = """
SELECT i.* FROM images i JOIN tagged g ON g.image = i.id JOIN tags t ON t.id = g.tag
WHERE t.name = ANY($1) AND i.visibility = 'public'
GROUP BY i.id HAVING count(*) = $2 ORDER BY i.created_at DESC LIMIT 40
"""
NAIVE_CLASSES = ("2 tags AND", "4 tags AND", "two that never meet")
ATTACK_SECONDS = 12
WARMING_ROUNDS = 40


class Times:
    """Seconds by class."""

    def __init__(self) -> None:
        self._by_class: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)

    @contextmanager
    def measured(self, kind: str, path_or_text: str) -> Iterator[None]:
        """Record the duration of the block."""
        started = time.perf_counter()
        yield
        self._by_class[kind].append((time.perf_counter() - started, path_or_text))

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return number, p50, p95, p99 and maximum in milliseconds, and the slowest query."""
        return {kind: _summary(times) for kind, times in self._by_class.items()}


def _summary(times: list[tuple[float, str]]) -> dict[str, Any]:
    milliseconds = [seconds * 1000 for seconds, _ in times]
    p50, p95, p99, most = (round(float(value), 1) for value in np.percentile(milliseconds, (50, 95, 99, 100)))
    return {"n": len(times), "p50": p50, "p95": p95, "p99": p99, "max": most, "slowest": max(times)[1]}


def over_http(url: str, requests: Iterable[SearchRequest], pages: int) -> tuple[Times, float]:
    """Run all queries, and `pages` pages of some orders; return the times and the worst error of an estimate."""
    times, client = Times(), Client(url)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    image_id = json.loads(client.get(IMAGES, {"limit": 1})[1])["items"][0]["id"]
    for kind, path, params in requests:
        limited = params if path == EXPLAIN else {"limit": LIMIT if path in (IMAGES, JSON_SEARCH) else 20, **params}
        with times.measured(kind, json.dumps(limited)):
            status, body = _send(client, path.format(image_id=image_id), limited)
        if path == IMAGES and status == OK and (found := json.loads(body)["items"]):
            image_id = found[0]["id"]
        if status not in ANSWERS:
            raise RuntimeError(f"{status} for {limited}")
        if how := params.get("count"):
            counts[params["q"]][how] = json.loads(body)["total"]
    for sort in ("-created", "name", "-size", "random:1"):
        params = {"q": names().shared[3], "limit": 100, "sort": sort}
        for page in range(pages):
            kind = "pages 1-20" if page < 20 else "pages from 100" if page >= 100 else "pages 21-99"
            with times.measured(kind, sort):
                _, body = client.get(IMAGES, params)
            params["cursor"] = json.loads(body)["next_cursor"]
    return times, max((_factor(*(found[how] for how in COUNTED)) for found in counts.values()), default=1.0)


def _send(client: Client, path: str, params: dict[str, Any]) -> tuple[int, bytes]:
    if path == JSON_SEARCH:
        return client.send("POST", path, json.dumps(params).encode(), {"Content-Type": "application/json"})
    return client.get(path, params)


def _factor(estimated: int, exact: int) -> float:
    return max(estimated, exact) / max(min(estimated, exact), 1)


async def in_the_database(requests: Iterable[SearchRequest]) -> Times:
    """Run each search once to record its statements, then repeat these by asyncpg."""
    settings = Settings()
    times, database, engine = Times(), Database(settings), SearchEngine(settings.search_strategies)
    url = settings.database_url.get_secret_value()
    connection = await asyncpg.connect(url, server_settings=database.search_settings)
    statements: list[tuple[str, Any]] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        statements.append((query.query, query.args))

    for kind, path, params in requests:
        if path != IMAGES or "count" in params:
            continue
        statements.clear()
        try:
            async with database.search_session() as session, noting(session, note):
                search = await engine.prepare(session, parse(params["q"]), VisibilityScope())
                await search.fetch_page(SortOrder(params.get("sort", "-created")), None, LIMIT)
        except QueryTooBroad:
            continue
        with times.measured(kind, params["q"]):
            for sql, values in statements:
                await connection.fetch(sql, *values)
    await connection.close()
    await database.close()
    return times


@asynccontextmanager
async def noting(session: AsyncSession, note: Callable[[asyncpg.connection.LoggedQuery], None]) -> AsyncIterator[None]:
    """Record the statements of the session."""
    connection: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    with connection.query_logger(note):
        yield


async def naively(requests: Iterable[SearchRequest]) -> Times:
    """Run the conjunctions as joins, which is the obvious SQL."""
    times = Times()
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    for kind, _, params in requests:
        if kind in NAIVE_CLASSES:
            tags = params["q"].split()
            with times.measured(kind, params["q"]):
                await connection.fetch(NAIVE, tags, len(set(tags)))
    await connection.close()
    return times


def under_attack(url: str, images: int, seconds: float) -> dict[str, Any]:
    """Measure each attack alone; then another client alone, beside four with usual searches, and beside four with
    attacks.
    """
    client, alone, responses = Client(url), Times(), Counter[int]()
    for attack in ATTACKS:
        with alone.measured("attack", attack):
            responses[client.get(IMAGES, {"q": attack, "sort": "name"})[0]] += 1
    others = Times()
    image = json.loads(client.get(IMAGES, {"limit": 1})[1])["items"][0]["links"]["self"]
    pairs = [params["q"] for kind, _, params in queries(98, 200, images) if kind == "2 tags AND"]
    for beside, texts in (("no client", []), ("4 searchers", pairs), ("4 attackers", ATTACKS)):
        with searchers(url, texts, 4) if texts else nullcontext():
            until = time.monotonic() + seconds
            for pair in itertools.cycle(reversed(pairs)):
                with others.measured(f"search, beside {beside}", pair):
                    client.get(IMAGES, {"q": pair})
                with others.measured(f"read one, beside {beside}", image):
                    client.get(image, {})
                if time.monotonic() > until:
                    break
    return {"alone": alone.rows()["attack"], "answers": dict(responses), "others": others.rows()}


async def load(images: int, seed: int) -> None:
    """Load the data set, and wait until it is on the disk: PostgreSQL must not write it during the measurement."""
    url = Settings().database_url.get_secret_value()
    await dataset.load(url, images, seed)
    connection = await asyncpg.connect(url)
    await connection.execute("CHECKPOINT")
    await connection.close()
    os.sync()


def measure(url: str, images: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return all measurements of one size of collection."""
    seed = options.seed
    # Each connection maps each page of PostgreSQL's memory once, which takes a microsecond.
    over_http(url, queries(seed + 1, WARMING_ROUNDS, images), 2)
    machine: dict[str, Any] = {}
    with watched(machine, "http"):
        times, factor = over_http(url, queries(seed, options.rounds, images), options.pages)
    results: dict[str, Any] = {"http": times.rows(), "worst_estimate_factor": round(factor, 2), "machine": machine}
    results["raw"] = asyncio.run(in_the_database(queries(seed, options.raw_rounds, images))).rows()
    results["naive"] = asyncio.run(naively(queries(seed, options.naive_rounds, images))).rows()
    if options.writer:
        with writer(url, rate=20) as written, watched(machine, "writer"):
            results["writer"] = over_http(url, queries(seed + 2, options.writer_rounds, images), 0)[0].rows()
        results["uploads"] = written()
    if options.attacks:
        results["attacks"] = under_attack(url, images, ATTACK_SECONDS)
    return results


def table(results: dict[str, Any]) -> str:
    """Return the measurements as a table in Markdown."""
    columns = [("http", key) for key in ("p50", "p95", "p99", "max")]
    columns += [(source, key) for source in ("raw", "naive") for key in ("p50", "p99")] + [("writer", "p99")]
    lines = ["| milliseconds | " + " | ".join(f"{source} {key}" for source, key in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for kind in results["http"]:
        cells = (str(results.get(source, {}).get(kind, {}).get(key, "")) for source, key in columns)
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    rest = {key: value for key, value in results.items() if key not in ("http", "raw", "naive", "writer")}
    return "\n".join([*lines, "", json.dumps(rest, indent=1)])


def report(results: dict[str, Any], directory: Path | None) -> None:
    """Print the measurements and save them."""
    print(table(results), flush=True)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"search-{results['images']}.json").write_text(json.dumps(results, indent=1) + "\n")


def main() -> None:
    """Measure at each size of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000])
    parser.add_argument("--url", help="measure a service that runs, instead of starting one")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--raw-rounds", type=int, default=20)
    parser.add_argument("--naive-rounds", type=int, default=15)
    parser.add_argument("--writer-rounds", type=int, default=100)
    parser.add_argument("--pages", type=int, default=150)
    parser.add_argument("--no-writer", dest="writer", action="store_false")
    parser.add_argument("--no-attacks", dest="attacks", action="store_false")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="a directory for the results and the plot")
    options = parser.parse_args()
    if options.url:
        report({"images": options.images[0], **measure(options.url, options.images[0], options)}, options.save)
    else:
        with servers(POSTGRES):
            for images in options.images:
                started = time.perf_counter()
                asyncio.run(load(images, options.seed))
                loaded = round(time.perf_counter() - started)
                with service() as url:
                    report({"images": images, "load_seconds": loaded, **measure(url, images, options)}, options.save)
    if options.save:
        plot(options.save)


if __name__ == "__main__":
    main()
