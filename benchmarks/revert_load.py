"""Measures other requests during a revert of many images, against those before it, in one run.

    python -m benchmarks.revert_load [--images 10000] [--edits 40] [--rounds 3]

One account changes the tags of the images in bulk edits. Each round measures the base, a revert of the edits, the base
again, and a revert of that revert. One client searches, one reads images, and one changes tags of images that no bulk
edit has. Each pauses PAUSE_SECONDS after a response. The service and its servers are those of `serve` and `dev`.
"""

import argparse
import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from statistics import median
from typing import Any

import asyncpg
import httpx

from benchmarks.tag_history import running
from benchmarks.uploads import sign_in

PAUSE_SECONDS = 0.02
BASE_SECONDS = 15
ADD_IMAGES = """
INSERT INTO images (id, name, storage_key, uploaded_by, content_type, size, width, height, sha256)
SELECT id, id::text, id::text, (SELECT id FROM users LIMIT 1), 'image/png', 1, 1, 1, sha256('x')
FROM unnest($1::uuid[]) AS new(id)
"""
Latencies = dict[str, list[float]]


class Load:
    """Three clients, and the latencies of their requests."""

    def __init__(self, client: httpx.AsyncClient, images: list[str]) -> None:
        self._client, self._images = client, images
        self._latencies: Latencies = defaultdict(list)

    async def during(self, work: Awaitable[Any]) -> tuple[Any, Latencies]:
        """Send requests until the work is done; return its result, and the latencies."""
        self._latencies = defaultdict(list)
        clients = [asyncio.create_task(run()) for run in (self._search, self._read, self._change)]
        result = await work
        for client in clients:
            client.cancel()
            with suppress(asyncio.CancelledError):
                await client
        return result, self._latencies

    async def _search(self) -> None:
        await self._repeat("search", lambda number: self._get("/v1/images", q=("cat", "red -spam")[number % 2]))

    async def _read(self) -> None:
        await self._repeat("image", lambda number: self._get(f"/v1/images/{self._images[number % 100]}"))

    async def _change(self) -> None:
        await self._repeat("change of tags", self._add_or_remove)

    async def _add_or_remove(self, number: int) -> httpx.Response:
        # The images that no bulk edit changes.
        path = f"/v1/images/{self._images[-1 - number // 2 % 100]}/tags"
        if number % 2:
            return await self._client.delete(f"{path}/new")
        return await self._client.post(path, json={"tags": ["new"]})

    async def _get(self, path: str, **params: Any) -> httpx.Response:
        return await self._client.get(path, params=params)

    async def _repeat(self, name: str, send: Callable[[int], Awaitable[httpx.Response]]) -> None:
        number = 0
        while True:
            begun = time.perf_counter()
            response = await send(number)
            self._latencies[name].append(time.perf_counter() - begun)
            response.raise_for_status()
            number += 1
            await asyncio.sleep(PAUSE_SECONDS)


async def prepare(client: httpx.AsyncClient, database_url: str, count: int, edits: int) -> tuple[list[str], str]:
    """Add images with tags, and change all but 100 in bulk edits. Returns the ids, and the time of the first edit."""
    images = [uuid.uuid1() for _ in range(count + 100)]
    connection = await asyncpg.connect(database_url)
    await connection.execute(ADD_IMAGES, images)
    await connection.execute("ANALYZE")
    ids = [str(image) for image in images]
    for start in range(0, len(ids), 1000):
        await send(client, "/v1/images/tags", ids=ids[start : start + 1000], add=["red", "cat"], remove=[])
    since = str((await connection.fetchval("SELECT clock_timestamp()")).isoformat())
    size = count // edits
    for start in range(0, count, size):
        await send(client, "/v1/images/tags", ids=ids[start : start + size], add=["spam"], remove=["red", "cat"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return ids, since


async def send(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    """Return the body of a POST that succeeds."""
    response = await client.post(path, json=body)
    if response.is_error:
        raise RuntimeError(response.text)
    result: dict[str, Any] = response.json()
    return result


def quantile(values: list[float], share: float) -> float:
    """Return the quantile in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


async def measure(url: str, database_url: str, options: argparse.Namespace) -> None:
    """Print a row for each kind of request: the medians over all rounds, and the worst ratio."""
    headers = {"Authorization": f"Bearer {sign_in(url)}"}
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as client,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as other,
    ):
        ids, since = await prepare(client, database_url, options.images, options.edits)
        actor = (await client.get("/v1/users/me")).json()["id"]
        load = Load(client, ids)
        until = (await client.get("/v1/images/" + ids[options.images - 1] + "/history")).json()["items"][0]["at"]
        selection: dict[str, str] = {"actor": actor, "since": since, "until": until}
        rounds: list[tuple[Latencies, Latencies]] = []
        seconds = []
        for _ in range(2 * options.rounds):
            _, base = await load.during(asyncio.sleep(BASE_SECONDS))
            begun = time.perf_counter()
            result, loaded = await load.during(send(other, "/v1/history/revert", **selection))
            seconds.append(time.perf_counter() - begun)
            print(f"{result['changed']} images in {seconds[-1]:.1f} s", flush=True)
            rounds.append((base, loaded))
            selection = {"batch": result["batch"]}
            await asyncio.sleep(3)
    print(
        f"a revert takes {median(seconds):.1f} s", "| request | base p50 | p99 | p50 | p99 | ratio of p99 |", sep="\n"
    )
    print("|---|---|---|---|---|---|")
    for name in rounds[0][0]:
        figures = [
            median(quantile(turn[part][name], share) for turn in rounds) for part in (0, 1) for share in (0.5, 0.99)
        ]
        ratios = [quantile(loaded[name], 0.99) / quantile(base[name], 0.99) for base, loaded in rounds]
        cells = " | ".join(f"{figure:.1f}" for figure in figures)
        print(f"| {name} | {cells} | {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")


def main() -> None:
    """Measure, and print a table in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with running() as (url, database_url, _meters):
        asyncio.run(measure(url, database_url, options))


if __name__ == "__main__":
    main()
