"""The clients of benchmarks.uploads. Each is a separate process, so that no client limits the throughput."""

import asyncio
import io
import itertools
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from miniopy_async.api import Minio

from app.core.settings import Settings

CREATED = 201
NO_CONTENT = 204
CONTENT_TYPE = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Task:
    """A client's work for `seconds`, `at_once` at a time: one of the methods of `Client`, with this file.

    `place` is a path of the API or a key of the store to read; for uploads, the prefix of the new names.
    """

    operation: str
    file: Path
    place: str
    at_once: int
    seconds: float
    url: str
    token: str


@dataclass(frozen=True, slots=True)
class Done:
    """The number of operations, their time, and the place of the last object."""

    count: int
    seconds: float
    cpu_seconds: float
    place: str


def work(task: Task) -> Done:
    """Run a task in this process."""
    return asyncio.run(_work(task))


async def _work(task: Task) -> Done:
    async with aiohttp.ClientSession() as session:
        client = Client(session, Settings(), task)
        operation: Callable[[], Awaitable[None]] = getattr(client, task.operation)
        await operation()
        client.count = 0
        started, cpu = time.perf_counter(), time.process_time()

        async def repeat() -> None:
            while time.perf_counter() - started < task.seconds:
                await operation()
                client.count += 1

        await asyncio.gather(*(repeat() for _ in range(task.at_once)))
        return Done(client.count, time.perf_counter() - started, time.process_time() - cpu, client.place)


class Client:
    """Uses the API with aiohttp, and the store with miniopy_async, as an application without this service would."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings, task: Task) -> None:
        self.count = 0
        self.place = task.place
        self._task, self._session, self._bucket = task, session, settings.storage_bucket
        self._body = task.file.read_bytes()
        self._names = (f"{task.place}-{number}" for number in itertools.count())
        self._headers = {"Authorization": f"Bearer {task.token}"}
        self._store = Minio(
            settings.storage_endpoint,
            access_key=settings.storage_access_key,
            secret_key=settings.storage_secret_key.get_secret_value(),
            secure=settings.storage_secure,
            region=settings.storage_region,
            session=session,
        )

    async def api_put(self) -> None:
        """Upload through the API."""
        form = aiohttp.FormData()
        form.add_field("image", io.BytesIO(self._body), filename=f"{next(self._names)}.jpg", content_type=CONTENT_TYPE)
        async with self._session.post(f"{self._task.url}/v1/images", data=form, headers=self._headers) as response:
            await _expect(response, CREATED)
            self.place = (await response.json())["links"]["content"]

    async def api_tus(self) -> None:
        """Upload by tus: a creation and one PATCH."""
        metadata = f"filename {b64encode(f'{next(self._names)}.jpg'.encode()).decode()}"
        headers = {**self._headers, "Tus-Resumable": "1.0.0"}
        creation = {**headers, "Upload-Length": str(len(self._body)), "Upload-Metadata": metadata}
        async with self._session.post(f"{self._task.url}/v1/uploads", headers=creation) as response:
            await _expect(response, CREATED)
            place = response.headers["Location"]
        append = {**headers, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        url = urljoin(self._task.url, place)
        async with self._session.patch(url, data=io.BytesIO(self._body), headers=append) as response:
            await _expect(response, NO_CONTENT)

    async def api_resumable(self) -> None:
        """Upload by Resumable Uploads for HTTP: one POST with all bytes."""
        name = f'attachment; filename="{next(self._names)}.jpg"'
        headers = {**self._headers, "Upload-Complete": "?1", "Content-Disposition": name, "Content-Type": CONTENT_TYPE}
        url = f"{self._task.url}/v1/uploads"
        async with self._session.post(url, data=io.BytesIO(self._body), headers=headers) as response:
            await _expect(response, CREATED)

    async def store_put(self) -> None:
        """Upload straight to the store."""
        self.place = next(self._names)
        await self._store.put_object(self._bucket, self.place, io.BytesIO(self._body), len(self._body), CONTENT_TYPE)

    async def api_get(self) -> None:
        """Download through the API."""
        async with self._session.get(f"{self._task.url}{self.place}") as response:
            await self._drain(response)

    async def store_get(self) -> None:
        """Download straight from the store."""
        response: Any = await self._store.get_object(self._bucket, self.place)
        await self._drain(response)

    async def _drain(self, response: Any) -> None:
        count = 0
        async for piece in response.content.iter_any():
            count += len(piece)
        if count != len(self._body):
            raise RuntimeError(f"{count} bytes instead of {len(self._body)}")


async def _expect(response: aiohttp.ClientResponse, status: int) -> None:
    if response.status != status:
        raise RuntimeError(f"{response.status}: {await response.text()}")
