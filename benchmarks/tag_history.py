"""Measures the cost of the tag history for an upload with tags and for a change of tags, in one run.

    python -m benchmarks.tag_history [--blocks 20] [--requests 40] [--batch 100]

The service and its servers are those of `serve` and `dev`. Turns with and without the triggers on `tagged` follow each
other in the order ABBA: `ALTER TABLE tagged DISABLE TRIGGER` switches them. The results are the changes of the
processor time of service and database together, and of the latency, with the 95 % intervals of
benchmarks.paired_statistics.
"""

import argparse
import asyncio
import io
import itertools
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
from PIL import Image

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from benchmarks.paired_statistics import Block, Turn, median_change, processor_us, steps_of, throughput
from benchmarks.service import UNLIMITED, Client, serving
from benchmarks.uploads import Meters, sign_in
from devstack import Stack

TRIGGERS = ("tagged_events_insert", "tagged_events_update", "tagged_events_delete")
TAGS = ("animal", "cat", "garden", "portrait", "summer")
ORDER = ("bare", "recorded", "recorded", "bare")
LIMIT = 0.05
BULK_REQUESTS = 8


class TagClient:
    """Uploads images with five tags, and changes their tags. Their names are numbers from `first` on."""

    def __init__(self, url: str, first: int = 0) -> None:
        self._client = Client(url)
        self._token = sign_in(url)
        self._numbers = itertools.count(first)
        self._images: list[str] = []

    def upload(self) -> None:
        """Upload an image with five tags."""
        number, boundary = next(self._numbers), uuid.uuid4().hex
        buffer = io.BytesIO()
        Image.new("RGB", (640, 480), (number % 256, number // 256 % 256, 0)).save(buffer, "JPEG")
        fields = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="tags"\r\n\r\n{tag}\r\n' for tag in TAGS
        )
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{number}.jpg"\r\n\r\n'
        body = fields.encode() + head.encode() + buffer.getvalue() + f"\r\n--{boundary}--\r\n".encode()
        created = self._send("POST", "/v1/images", body, f"multipart/form-data; boundary={boundary}")
        self._images.append(created["id"])

    def change(self) -> None:
        """Add a tag to an image, and remove it."""
        number = next(self._numbers)
        path = f"/v1/images/{self._images[number % len(self._images)]}/tags"
        self._send("POST", path, json.dumps({"tags": [f"extra {number % 50}"]}).encode())
        self._send("DELETE", f"{path}/extra%20{number % 50}")

    def edit_in_bulk(self, images: int) -> None:
        """Add a tag to many images, and remove it."""
        ids = self._images[:images]
        for add, remove in ((["bulk"], []), ([], ["bulk"])):
            body = {"ids": ids, "add": add, "remove": remove}
            self._send("POST", "/v1/images/tags", json.dumps(body).encode())

    def _send(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        status, answer = self._client.send(method, path, body, headers)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {status} {answer!r}")
        parsed: dict[str, str] = json.loads(answer)
        return parsed


def switch(url: str, kind: str) -> None:
    """Disable or enable the triggers of the history."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        for trigger in TRIGGERS:
            action = "DISABLE" if kind == "bare" else "ENABLE"
            await connection.execute(f"ALTER TABLE tagged {action} TRIGGER {trigger}")
        await connection.close()

    asyncio.run(run())


def read(meters: Meters) -> dict[str, float]:
    """Read the processor times; once more if a process of the database has just ended."""
    while True:
        with suppress(psutil.NoSuchProcess):
            return meters.read()


def measure(operation: Callable[[], None], requests: int, meters: Meters) -> Turn:
    """Run the operation one time after the other."""
    latencies: list[float] = []
    before, started = read(meters), time.perf_counter()
    for _ in range(requests):
        begun = time.perf_counter()
        operation()
        latencies.append(time.perf_counter() - begun)
    seconds, after = time.perf_counter() - started, read(meters)
    processor = sum(after[part] - before[part] for part in ("service", "database"))
    return Turn(requests, processor, requests, seconds, steps_of(latencies), 0)


def blocks_of(operation: Callable[[], None], requests: int, count: int, meters: Meters, url: str) -> Iterator[Block]:
    """Yield blocks of turns of both kinds."""
    for _ in range(count):
        turns: dict[str, Turn] = {}
        for kind in ORDER:
            switch(url, kind)
            turn = measure(operation, requests, meters)
            turns[kind] = turns[kind].plus(turn) if kind in turns else turn
        yield turns


@contextmanager
def running() -> Iterator[tuple[str, str, Meters]]:
    """Start the servers and the service; yield the addresses of the service and of the database."""
    with (
        tempfile.TemporaryDirectory(prefix="imts-bench-") as directory,
        Stack(Path(directory, "data"), report=lambda _line: None) as stack,
    ):
        os.environ.update(stack.addresses())
        os.environ.update(APP_ENV="development", JWT_SECRET="b" * 48, LOG_LEVEL="ERROR")
        os.environ.update(TELEMETRY_SPILL_DIR=f"{directory}/wal", CACHE_ENABLED="false")
        os.environ.update(dict.fromkeys(("UPLOAD_LIMITS", "SEARCH_LIMITS", "NEW_TAG_LIMITS"), UNLIMITED))
        upgrade(Settings().sqlalchemy_url)
        with serving([sys.executable, "-m", "app", "serve"], "/readyz") as service:
            time.sleep(3)  # The bucket exists, and the partitions do.
            yield service.url, stack.addresses()["DATABASE_URL"], Meters(stack, service.process)


def main() -> None:
    """Measure both operations and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--batch", type=int, default=100)
    options = parser.parse_args()
    with running() as (url, database_url, meters):
        client = TagClient(url)
        for _ in range(options.batch):
            client.upload()
        operations: dict[str, tuple[Callable[[], None], int]] = {
            "upload with five tags": (client.upload, options.requests),
            "add and remove a tag": (client.change, options.requests),
            f"bulk edit of {options.batch} images": (lambda: client.edit_in_bulk(options.batch), BULK_REQUESTS),
        }
        print("| operation | processor time | | latency | |", "|---|---|---|---|---|", sep="\n")
        for name, (operation, requests) in operations.items():
            blocks = list(blocks_of(operation, requests, options.blocks, meters, database_url))
            processor = median_change(blocks, "recorded", processor_us)
            rate = median_change(blocks, "recorded", throughput)
            print(
                f"| {name} | {processor.value:+.1%} ({processor.low:+.1%} to {processor.high:+.1%}) "
                f"| {processor.within(LIMIT)} | {1 / (1 + rate.value) - 1:+.1%} "
                f"({1 / (1 + rate.high) - 1:+.1%} to {1 / (1 + rate.low) - 1:+.1%}) | |",
                flush=True,
            )


if __name__ == "__main__":
    main()
