"""Uploads and downloads through the API against the same store without it, in one run.

    python -m benchmarks.uploads [--seconds 4] [--sizes 50K 2M 64M] [--concurrency 1 8]

The servers are the embedded ones, the service is one process as `serve` starts it, and the client of both sides is
aiohttp with kept connections, in this process. It prints a table in Markdown: operations a second, the ratio, and the
processor's time that the service and its decoders spend on one operation, which other load on the machine changes
least. The two sides take turns, so that such load meets both. The store alone is asked with `put_object` and
`get_object` of miniopy_async, as anybody would who has no service.
"""

import argparse
import asyncio
import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from miniopy_async.api import Minio
from PIL import Image

from app.core.settings import Settings
from app.db.migrate import upgrade
from app.embedded import Stack
from app.storage.object_store import ObjectStore
from benchmarks.service import Server, serving

Operation = Callable[[], Awaitable[None]]
UNITS = {"K": 1024, "M": 1024 * 1024}
CREATED, OK = 201, 200
ROUNDS = 3


class Bench:
    """Both sides, ready to be measured."""

    def __init__(self, service: Server, token: str, store: Minio, bucket: str, session: aiohttp.ClientSession) -> None:
        self.service = service
        self._url, self._store, self._bucket, self._session = service.url, store, bucket, session
        self._headers = {"Authorization": f"Bearer {token}"}
        self._numbers = itertools.count()
        self._path = self._key = ""

    async def api_put(self, body: bytes) -> None:
        """Upload through the API."""
        form = aiohttp.FormData()
        form.add_field("image", io.BytesIO(body), filename=f"{next(self._numbers)}.jpg", content_type="image/jpeg")
        async with self._session.post(f"{self._url}/v1/images", data=form, headers=self._headers) as answer:
            if answer.status != CREATED:
                raise RuntimeError(await answer.text())
            self._path = (await answer.json())["links"]["content"]

    async def store_put(self, body: bytes) -> None:
        """Upload straight to the store."""
        key = f"direct/{next(self._numbers)}"
        await self._store.put_object(self._bucket, key, io.BytesIO(body), len(body))
        self._key = key

    async def api_get(self, body: bytes) -> None:
        """Download the last upload through the API."""
        async with self._session.get(f"{self._url}{self._path}") as answer:
            await _drain(answer, len(body))

    async def store_get(self, body: bytes) -> None:
        """Download the last upload straight from the store."""
        answer: Any = await self._store.get_object(self._bucket, self._key)
        await _drain(answer, len(body))


@dataclass(slots=True)
class Side:
    """What one side has done."""

    operation: Operation
    done: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    async def work(self, concurrency: int, seconds: float, service: Server) -> None:
        """Go on for so long."""
        await self.operation()
        cpu, started = service.cpu_seconds(), time.perf_counter()

        async def worker() -> None:
            while time.perf_counter() - started < seconds:
                await self.operation()
                self.done += 1

        await asyncio.gather(*(worker() for _ in range(concurrency)))
        self.seconds += time.perf_counter() - started
        self.cpu_seconds += service.cpu_seconds() - cpu

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.done / self.seconds


async def _drain(answer: Any, size: int) -> None:
    count = 0
    async for piece in answer.content.iter_any():
        count += len(piece)
    if count != size:
        raise RuntimeError(f"{count} bytes instead of {size}")


def jpeg(size: int) -> bytes:
    """Return a JPEG of `size` bytes: noise on a side that fits, filled up behind its end."""
    side = int((size / 1.1) ** 0.5)
    while True:
        buffer = io.BytesIO()
        Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(buffer, "JPEG", quality=85)
        if buffer.tell() <= size:
            return buffer.getvalue() + bytes(size - buffer.tell())
        side = int(side * 0.95)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start everything; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="imts-bench-") as directory:
        stack = Stack(Path(directory) / "data", report=lambda _line: None)
        try:
            os.environ.update(stack.start())
            os.environ.update(APP_ENV="development", JWT_SECRET="b" * 48, LOG_LEVEL="ERROR")
            os.environ["TELEMETRY_SPILL_DIR"] = f"{directory}/spill"
            settings = Settings()
            await asyncio.to_thread(upgrade, settings.sqlalchemy_url)
            objects = ObjectStore(settings)
            await objects.ensure_bucket()
            await objects.close()
            with serving([sys.executable, "-m", "app", "serve"], "/readyz") as service:
                async with aiohttp.ClientSession() as session:
                    token = await _sign_in(session, service.url)
                    yield Bench(service, token, _store(settings, session), settings.storage_bucket, session)
        finally:
            stack.stop()


def _store(settings: Settings, session: aiohttp.ClientSession) -> Minio:
    return Minio(
        settings.storage_endpoint,
        access_key=settings.storage_access_key,
        secret_key=settings.storage_secret_key.get_secret_value(),
        secure=False,
        region=settings.storage_region,
        session=session,
    )


async def _sign_in(session: aiohttp.ClientSession, url: str) -> str:
    account = {"email": "bench@example.com", "password": "correct horse battery staple"}
    async with session.post(f"{url}/v1/users", json=account):
        pass
    form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
    async with session.post(f"{url}/v1/auth/token", data=form) as answer:
        return str((await answer.json())["access_token"])


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--sizes", nargs="+", default=["50K", "2M", "64M"])
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8])
    options = parser.parse_args()
    print("| size | at once | store put/s | API put/s | ratio | CPU ms | store get/s | API get/s | ratio | CPU ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    async with bench() as both:
        for size, concurrency in itertools.product(options.sizes, options.concurrency):
            body = jpeg(int(size[:-1]) * UNITS[size[-1]])
            operations = (both.store_put, both.api_put, both.store_get, both.api_get)
            sides = [Side(partial(operation, body)) for operation in operations]
            for _ in range(ROUNDS):
                for side in sides:
                    await side.work(concurrency, options.seconds / ROUNDS, both.service)
            print(f"| {size} | {concurrency} | {compared(*sides[:2])} | {compared(*sides[2:])} |", flush=True)


def compared(store: Side, api: Side) -> str:
    """Return the columns of one direction."""
    cpu = api.cpu_seconds / api.done * 1000
    return f"{store.rate:.1f} | {api.rate:.1f} | {api.rate / store.rate:.2f} | {cpu:.1f}"


if __name__ == "__main__":
    asyncio.run(main())
