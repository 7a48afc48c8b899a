"""Measures searches over HTTP against a running service whose database `benchmarks.dataset` has filled.

    python -m benchmarks.search --url http://127.0.0.1:8000 [--rounds 60] [--json results.json]

One client, one request at a time. For each class of query: p50, p95, p99 and the slowest over HTTP, and the time that
the search itself takes in the database's driver; for the tag queries also the SQL that most would write (a join over
`tagged`), in the same run. DATABASE_URL names the same database.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np

from app.core.settings import Settings
from app.db.session import Database
from app.search.grammar import parse
from app.search.images import ImageSearch, Sight
from app.search.order import SORTS, Order
from app.search.vocabulary import QueryTooBroad
from benchmarks.dataset import SHARED, TOPIC_TAGS, TOPICS, Zipf, names

LIMIT = 40
NAIVE = """
SELECT i.* FROM images i JOIN tagged g ON g.image = i.id JOIN tags t ON t.id = g.tag
WHERE t.name = ANY($1) AND i.visibility = 'public'
GROUP BY i.id HAVING count(*) = $2 ORDER BY i.created_at DESC LIMIT 40
"""
Query = dict[str, Any]


def queries(seed: int, rounds: int) -> Iterator[tuple[str, str, Query]]:
    """Yield (class, path, parameters) of the whole set."""
    random, known = np.random.default_rng(seed), names()

    def shared() -> str:
        return known.shared[int(Zipf(SHARED).draw(random, ()))]

    def topic() -> int:
        return int(Zipf(TOPICS).draw(random, ()))

    def own(of: int) -> str:
        return known.of_topic[of][int(Zipf(TOPIC_TAGS).draw(random, ()))]

    for _ in range(rounds):
        one, other = topic(), topic()
        far = (one + 2 + int(random.integers(TOPICS - 4))) % TOPICS
        a, b, mine = shared(), shared(), own(one)
        searches = {
            "1 tag": a,
            "2 tags AND": f"{a} {known.topics[one]}" if random.random() < 0.5 else f"{a} {b}",
            "2 tags AND, any": f"{a} {own(other)}",
            "3 tags AND": f"{a} {mine} {known.topics[one]}",
            "4 tags AND": f"{a} {b} {mine} {known.topics[one]}",
            "OR": f"{a} OR {mine} OR {own(other)}",
            "OR of rare tags": f"{own(other)} | {mine}",
            "A -B": f"{a} -{known.topics[one]}",
            "A -B, A in B": f"{mine} -{known.topics[one]}",
            "-A -B": f"-{a} -{known.topics[one]}",
            "two that never meet": f"{known.topics[one]} {known.topics[far]}",
            "two of the most common that never meet": f"{known.topics[one % 5]} {known.topics[one % 5 + 7]}",
            "wildcard": f"{known.topics[one][:4]}*",
            "wildcard inside": f"{a} *{mine[1:6]}*",
            "2-of": f"2-of:({a} {mine} {own(other)})",
            "groups": f"({a} OR {mine}) -({own(other)} {b}) {known.topics[one]}",
            "filter": f"{a} width:>=1920 type:png,webp",
            "rare filter": "type:avif size:>1mb",
            "date": f"{a} date:{2024 + int(random.integers(3))}-0{1 + int(random.integers(9))}",
            "uploader": f"uploader:00000000-0000-0000-0000-{1 + int(random.integers(1000)):012x} {a}",
            "name": f"name:img_00{int(random.integers(10))}*7.png {a}",
        }
        for kind, text in searches.items():
            yield kind, "/v1/images", {"q": text}
        for sort in (*SORTS, *(f"-{sort}" for sort in SORTS), f"random:{random.integers(9999)}"):
            yield "sorts, common tag", "/v1/images", {"q": a, "sort": sort}
            yield "sorts, rare pair", "/v1/images", {"q": f"{b} {mine}", "sort": sort}
        for letters in (1, 2, 3):
            yield f"autocomplete, {letters}", "/v1/tags", {"prefix": mine[:letters]}
        yield "contains", "/v1/tags", {"contains": mine[1:4]}
        yield "related", f"/v1/tags/{a}/related", {}
        yield "related, rare", f"/v1/tags/{mine}/related", {}
        yield "estimate", "/v1/images", {"q": f"{a} {known.topics[one]}", "count": "estimate"}
        yield "exact count", "/v1/images", {"q": f"{a} {known.topics[one]}", "count": "exact"}


class Times:
    """Seconds by class."""

    def __init__(self, best_of: int = 1) -> None:
        self._best_of = best_of
        self.by_class: dict[str, list[tuple[float, str]]] = {}

    async def measure(self, kind: str, what: str, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run it and note how long it took."""
        seconds = []
        for _ in range(self._best_of):
            started = time.perf_counter()
            result = await run()
            seconds.append(time.perf_counter() - started)
        self.by_class.setdefault(kind, []).append((min(seconds), what))
        return result

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return p50, p95, p99 and the maximum in milliseconds, and what was the slowest."""
        return {kind: _summary(times) for kind, times in self.by_class.items()}


def _summary(times: list[tuple[float, str]]) -> dict[str, Any]:
    milliseconds = [seconds * 1000 for seconds, _ in times]
    p50, p95, p99 = (round(float(np.percentile(milliseconds, share)), 1) for share in (50, 95, 99))
    return {
        "n": len(times),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "max": round(max(times)[0] * 1000, 1),
        "slowest": max(times)[1],
    }


async def over_http(url: str, seed: int, rounds: int, best_of: int = 1) -> Times:
    """Run the set and the deep pages."""
    times = Times(best_of)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:

        async def get(path: str, params: Query) -> httpx.Response:
            answer = await client.get(path, params=params)
            if answer.status_code not in (200, 400, 503):
                answer.raise_for_status()
            return answer

        for kind, path, params in queries(seed, rounds):
            asked = {"limit": LIMIT if path == "/v1/images" else 20, **params}
            await times.measure(kind, json.dumps(asked), partial(get, path, asked))
        for sort in ("-created", "name", "-size", "random:1"):
            params = {"q": names().shared[3], "limit": 100, "sort": sort}
            for page in range(150):
                kind = "page 1-20" if page < 20 else "page 100-150" if page >= 100 else "pages between"
                answer = await times.measure(kind, sort, partial(get, "/v1/images", params))
                params["cursor"] = answer.json()["next_cursor"]
    return times


async def in_the_driver(settings: Settings, seed: int, rounds: int) -> Times:
    """Run the searches without HTTP."""
    times, database = Times(), Database(settings)

    async def search(params: Query) -> None:
        async with database.searcher() as session:
            with contextlib.suppress(QueryTooBroad):  # it took its time, too
                search = await ImageSearch.prepare(session, parse(params["q"]), Sight())
                await search.page(Order(params.get("sort", "-created")), None, LIMIT)

    for kind, path, params in queries(seed, rounds):
        if path == "/v1/images" and "count" not in params:
            await times.measure(kind, params["q"], partial(search, params))
    await database.close()
    return times


async def naively(settings: Settings, seed: int, rounds: int) -> Times:
    """Run the conjunctions as most would write them."""
    times = Times()
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    for kind, _, params in queries(seed, rounds):
        if kind in ("2 tags AND", "4 tags AND", "two that never meet"):
            tags = params["q"].split()
            await times.measure(kind, params["q"], partial(connection.fetch, NAIVE, tags, len(set(tags))))
    await connection.close()
    return times


def main() -> None:
    """Print the table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--naive-rounds", type=int, default=15)
    parser.add_argument("--best-of", type=int, default=1, help="repeat each request, where others use the machine too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = Settings()
    asyncio.run(over_http(options.url, options.seed + 1, 2))  # warms the caches up
    results = {
        "http": asyncio.run(over_http(options.url, options.seed, options.rounds, options.best_of)).rows(),
        "driver": asyncio.run(in_the_driver(settings, options.seed, options.rounds)).rows(),
        "naive": asyncio.run(naively(settings, options.seed, options.naive_rounds)).rows(),
    }
    for way, rows in results.items():
        print(f"\n| {way} | n | p50 | p95 | p99 | max | slowest |\n|---|---|---|---|---|---|---|")
        for kind, row in rows.items():
            print(
                f"| {kind} | "
                + " | ".join(str(row[key]) for key in ("n", "p50", "p95", "p99", "max", "slowest"))
                + " |"
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
