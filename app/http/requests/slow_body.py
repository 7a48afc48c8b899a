"""Reads the body of an upload with a minimum rate and a total timeout."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from starlette.requests import Request

from app.core.errors import ClientDisconnected, RequestTimeout
from app.core.fair_queue import FairQueue
from app.core.settings import Settings

BUSY_BYTES_PER_SECOND = 16 * 1024


class UploadTimeout(RequestTimeout):
    """The client sent data too slowly."""

    slug, title = "upload-timeout", "Upload too slow"
    description = "The upload stopped, or was slower than the minimum rate."


@dataclass(frozen=True, slots=True)
class MinimumRate:
    """The minimum rate: `window_bytes` in each window, and the whole body within `total_seconds`.

    While other uploads wait for memory (`is_busy`), the minimum is BUSY_BYTES_PER_SECOND.
    """

    window_seconds: float
    window_bytes: int
    total_seconds: float
    is_busy: Callable[[], bool] = lambda: False

    def required_bytes(self) -> int:
        """Return the minimum number of bytes for the window that ends now."""
        busy_bytes = int(self.window_seconds * BUSY_BYTES_PER_SECOND) if self.is_busy() else 1
        return max(self.window_bytes, busy_bytes)


def upload_rate(settings: Settings, queue: FairQueue, total_seconds: float) -> MinimumRate:
    """Return the minimum rate of an upload, which has passed `queue` and ends within `total_seconds`."""
    window = settings.upload_idle_seconds
    window_bytes = int(window * settings.upload_min_bytes_per_second)
    return MinimumRate(window, window_bytes, total_seconds, lambda: queue.length > 0)


async def read_body(request: Request, rate: MinimumRate) -> AsyncGenerator[bytes]:
    """Yield the body's chunks. Raises UploadTimeout, ClientDisconnected.

    Only the time spent waiting for the client counts. A slow object store does not.
    """
    total = waited = 0.0
    received = 0
    while True:
        started = time.monotonic()
        try:
            # Not `request.stream()`: a timeout would end that generator.
            async with asyncio.timeout(rate.window_seconds - waited):
                message = await request.receive()
        except TimeoutError as error:
            total += rate.window_seconds
            if received < rate.required_bytes() or total >= rate.total_seconds:
                raise UploadTimeout from error
            waited, received = 0.0, 0
            continue
        waited += time.monotonic() - started
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return
