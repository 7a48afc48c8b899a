"""Measures the pages of the gallery over HTTP, with the data set and the queries of the search benchmark.

    python -m benchmarks.gallery_pages --images 100000 1000000
    python -m benchmarks.gallery_pages --url http://127.0.0.1:8000 --images 1000000    # a service on a loaded database

One client, one request at a time. A page of the grid is one search, a cheap count and one rendering; a page
of an image is one read and a search for each neighbour. The cache is off.
"""

import argparse
import asyncio
import html
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from benchmarks.background_load import writer
from benchmarks.machine import watched
from benchmarks.queries import IMAGES, queries
from benchmarks.search import POSTGRES, Times, load
from benchmarks.service import OK, Client, servers, service

WARMING_ROUNDS = 10
PAGES = 20
_MORE = re.compile(rb'<link rel="next" href="([^"]+)">')
_IMAGE = re.compile(rb'<a href="(/i/[^"]+)">')
# Some queries of the set are more than the search permits.
_ANSWERS = (OK, 400, 503)


def searches(seed: int, rounds: int, images: int) -> Iterator[tuple[str, str]]:
    """Yield the class and the path of the start page and of each search of images."""
    for kind, path, params in queries(seed, rounds, images):
        if kind == "1 tag":
            yield "start page", "/"
        if path == IMAGES and "count" not in params:
            yield kind, f"/?{urlencode(params)}"


def measure_pages(client: Client, paths: Iterator[tuple[str, str]]) -> Times:
    """Request each page of the grid, and the page of its first image."""
    times = Times()
    for kind, path in paths:
        with times.measured(kind, path), times.measured("all pages of the grid", path):
            status, page = client.send("GET", path)
        if status not in _ANSWERS:
            raise RuntimeError(f"{status} for {path}")
        if found := _IMAGE.search(page):
            image = html.unescape(found[1].decode())
            with times.measured("an image in its query", image):
                client.send("GET", image)
    return times


def follow_pages(client: Client, path: str, pages: int, times: Times) -> None:
    """Request the pages after the first one, as a scrolling visitor does."""
    for _ in range(pages):
        found = _MORE.search(client.send("GET", path)[1])
        if found is None:
            return
        path = html.unescape(found[1].decode())
        with times.measured("the next page", path), times.measured("all pages of the grid", path):
            client.send("GET", path)


def measure(url: str, images: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the times of each class in milliseconds."""
    client, machine = Client(url), dict[str, Any]()
    measure_pages(client, searches(options.seed + 1, WARMING_ROUNDS, images))
    with watched(machine, "alone"):
        times = measure_pages(client, searches(options.seed, options.rounds, images))
        for kind, path in searches(options.seed + 2, 1, images):
            if kind in ("start page", "1 tag", "OR", "filter"):
                follow_pages(client, path, PAGES, times)
    results: dict[str, Any] = {"alone": times.rows(), "machine": machine}
    if options.writer:
        with writer(url, rate=20) as written, watched(machine, "writer"):
            rows = measure_pages(client, searches(options.seed + 3, options.writer_rounds, images)).rows()
        results |= {"beside a writer": rows, "uploads": written()}
    return results


def report(images: int, results: dict[str, Any]) -> None:
    """Print the times as a table in Markdown, then the load of the machine."""
    print(f"\n{images:,} images\n\n| milliseconds | n | p50 | p95 | p99 | max | beside a writer: p99 |\n{'|---' * 7}|")
    beside = results.get("beside a writer", {})
    for kind, row in results["alone"].items():
        cells = [kind, *(row[key] for key in ("n", "p50", "p95", "p99", "max")), beside.get(kind, {}).get("p99", "")]
        print(f"| {' | '.join(map(str, cells))} |")
    print(json.dumps({key: results[key] for key in ("machine", "uploads") if key in results}), flush=True)


def main() -> None:
    """Measure at each size of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000])
    parser.add_argument("--url", help="measure a service that runs, instead of starting one")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--writer-rounds", type=int, default=20)
    parser.add_argument("--no-writer", dest="writer", action="store_false")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.url:
        report(options.images[0], measure(options.url, options.images[0], options))
        return
    with servers(POSTGRES):
        for images in options.images:
            started = time.perf_counter()
            asyncio.run(load(images, options.seed))
            print(f"loaded in {time.perf_counter() - started:.0f} s")
            with service() as url:
                report(images, measure(url, images, options))


if __name__ == "__main__":
    main()
