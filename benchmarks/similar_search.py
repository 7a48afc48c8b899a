"""Measures searches for similar images over HTTP, and other searches while hashes are computed in the background.

    python -m benchmarks.similar_search --images 1000000 --save docs/performance

Every image of the data set gets a random perceptual hash. One image in ten has a copy, whose hash differs in up to
MAX_DISTANCE bits. One client sends one request at a time. `missed` counts the images that a full scan finds and the
service does not.

Then `--photographs` images are uploaded. `reprocess --only hashes` computes their hashes again while a client searches
by tags; `searches` has the times of these searches alone and beside it, in milliseconds.
"""

import argparse
import asyncio
import io
import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from app.core.settings import Settings
from app.media.image_properties import HASH_VERSION, PIXEL_VERSION
from app.similarity.hash_chunks import MAX_DISTANCE, bit_text, list_chunks
from benchmarks.background_load import sign_up, upload
from benchmarks.machine import watched
from benchmarks.queries import IMAGES, queries
from benchmarks.search import POSTGRES, Times, load
from benchmarks.service import OK, Client, servers, service
from benchmarks.similar_images import load_photographs

QUALITY = 50
# One image in COPIED has a copy, which is the next image.
COPIED = 10
CHUNK = 20_000
LIMIT = 50
BESIDE, ALONE = "beside the computation", "alone"
ROUNDS = 3
LIST_IDS = "SELECT id FROM images ORDER BY id"
REMOVE_HASHES = "DELETE FROM image_hashes WHERE image_id = ANY ($1)"
Hashes = NDArray[np.uint8]


def random_hashes(count: int, seed: int) -> Hashes:
    """Return hashes of 32 bytes. Each COPIED-th one is followed by a copy at a random distance."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (count, 32), dtype=np.uint8)
    for origin in range(0, count - 1, COPIED):
        flipped = np.zeros(256, dtype=np.uint8)
        flipped[random.choice(256, random.integers(1, MAX_DISTANCE + 1), replace=False)] = 1
        hashes[origin + 1] = hashes[origin] ^ np.packbits(flipped)
    return hashes


async def load_hashes(seed: int) -> tuple[list[uuid.UUID], Hashes]:
    """Give each image a hash, and return the ids and the hashes."""
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    ids = [row["id"] for row in await connection.fetch(LIST_IDS)]
    hashes = random_hashes(len(ids), seed)
    columns = ["image_id", "version", "perceptual_hash", "quality", "chunks", "pixel_version", "pixel_sha256"]
    await connection.execute("SET maintenance_work_mem = '1GB'")
    index = await connection.fetchval("SELECT pg_get_indexdef('ix_image_hashes_chunks'::regclass)")
    await connection.execute("TRUNCATE image_hashes; DROP INDEX ix_image_hashes_chunks")
    for start in range(0, len(ids), CHUNK):
        records = [
            _record(one, row.tobytes())
            for one, row in zip(ids[start : start + CHUNK], hashes[start : start + CHUNK], strict=True)
        ]
        await connection.copy_records_to_table("image_hashes", records=records, columns=columns)
    await connection.execute(index)
    await connection.execute("VACUUM ANALYZE image_hashes")
    await connection.execute("CHECKPOINT")
    await connection.close()
    os.sync()
    return ids, hashes


def _record(image: uuid.UUID, bits: bytes) -> tuple[Any, ...]:
    hashed = (HASH_VERSION, asyncpg.BitString(bit_text(bits)), QUALITY, list_chunks(bits, QUALITY))
    return (image, *hashed, PIXEL_VERSION, 2 * image.bytes)


async def list_public() -> set[uuid.UUID]:
    """Return the ids of the images that a client without an account sees."""
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    rows = await connection.fetch("SELECT id FROM images WHERE visibility = 'public'")
    await connection.close()
    return {row["id"] for row in rows}


def find_similar(url: str, ids: list[uuid.UUID], hashes: Hashes, rounds: int, seed: int) -> dict[str, Any]:
    """Search images at two distances over HTTP, and compare the results with a full scan."""
    random, client, times = np.random.default_rng(seed), Client(url), Times()
    public = asyncio.run(list_public())
    found = missed = 0
    for number in range(rounds):
        origin = int(random.integers(0, len(ids) // COPIED)) * COPIED
        if ids[origin] not in public:
            continue
        for most in (15, MAX_DISTANCE):
            path = f"{IMAGES}/{ids[origin]}/similar"
            with times.measured(f"similar, {most} bits", path):
                status, body = client.get(path, {"max_distance": most, "limit": LIMIT})
            if status != OK:
                raise RuntimeError(f"{status} for {path}")
            if number < rounds // 10:
                distances = np.bitwise_count(hashes[origin] ^ hashes).sum(axis=1)
                near = {ids[place] for place in np.flatnonzero(distances <= most) if place != origin} & public
                answer = {uuid.UUID(item["image"]["id"]) for item in json.loads(body)["items"]}
                found, missed = found + len(near & answer), missed + len(near - answer)
        text = f"similar:{ids[origin]}"
        with times.measured("similar: in a query", text):
            client.get(IMAGES, {"q": text, "limit": LIMIT})
    return {"times": times.rows(), "found": found, "missed": missed}


def photographs(count: int) -> Iterator[bytes]:
    """Yield JPEG files of 12 megapixels, all of them different."""
    for number, picture in enumerate(itertools.islice(itertools.cycle(load_photographs().values()), count)):
        large = picture.resize((4000 - number, 3000))
        buffer = io.BytesIO()
        large.save(buffer, "JPEG", quality=85)
        yield buffer.getvalue()


async def remove_hashes(ids: list[uuid.UUID]) -> None:
    """Remove the hashes of these images."""
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    await connection.execute(REMOVE_HASHES, ids)
    await connection.close()


def beside_reprocessing(url: str, images: int, count: int, seed: int) -> dict[str, Any]:
    """Measure searches alone and beside `reprocess --only hashes`, in turns."""
    client, times = Client(url), Times()
    token = sign_up(client)
    made = [json.loads(upload(client, token, one)[1]) for one in photographs(count)]
    ids = [uuid.UUID(one["id"]) for one in made]
    requests = [params for _, path, params in queries(seed, 100, images) if path == IMAGES and "count" not in params]
    supply = itertools.cycle(requests)
    durations: list[float] = []
    for _ in range(ROUNDS):
        asyncio.run(remove_hashes(ids))
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "reprocess", "--only", "hashes", "--restart"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:
            _search(client, times, BESIDE, next(supply))
        if process.returncode != 0:
            raise RuntimeError("reprocess failed")
        durations.append(round(time.monotonic() - started, 1))
        until = time.monotonic() + durations[-1]
        while time.monotonic() < until:
            _search(client, times, ALONE, next(supply))
    return {"photographs": count, "seconds": durations, "searches": times.rows()}


def _search(client: Client, times: Times, kind: str, params: dict[str, Any]) -> None:
    with times.measured(kind, json.dumps(params)):
        client.get(IMAGES, {"limit": 40, **params})


def measure(url: str, images: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return all measurements; the data set is loaded."""
    ids, hashes = asyncio.run(load_hashes(options.seed))
    machine: dict[str, Any] = {}
    find_similar(url, ids, hashes, options.rounds // 5, options.seed + 1)
    with watched(machine, "similar"):
        similar = find_similar(url, ids, hashes, options.rounds, options.seed)
    with watched(machine, "reprocessing"):
        reprocessing = beside_reprocessing(url, images, options.photographs, options.seed)
    return {"images": images, "similar": similar, "reprocessing": reprocessing, "machine": machine}


def main() -> None:
    """Measure, print JSON and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--photographs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="a directory for the results")
    options = parser.parse_args()
    with servers(POSTGRES):
        asyncio.run(load(options.images, options.seed))
        with service() as url:
            results = measure(url, options.images, options)
    print(json.dumps(results, indent=1))
    if options.save:
        (options.save / f"similar-{options.images}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
