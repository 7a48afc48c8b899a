"""The body of an upload, bounded in time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.requests import Request

from app.core.errors import ClientGone, RequestTimeout

CONTENDED_BYTES_PER_SECOND = 16 * 1024


class UploadTimeout(RequestTimeout):
    """The client sent nothing, or next to nothing, for too long."""

    slug, title = "upload-timeout", "Upload too slow"
    description = "The upload stopped, or was slower than the minimum rate."


@dataclass(frozen=True, slots=True)
class MinimumRate:
    """How slow a client may be: in each window it sends at least so many bytes, and all within the total.

    While other uploads wait for memory (`is_contended`), it has to send at least CONTENDED_BYTES_PER_SECOND.
    """

    window_seconds: float
    window_bytes: int
    total_seconds: float
    is_contended: Callable[[], bool] = lambda: False

    def required_bytes(self) -> int:
        """Return how many bytes the window that ends now must have brought."""
        contended = int(self.window_seconds * CONTENDED_BYTES_PER_SECOND) if self.is_contended() else 1
        return max(self.window_bytes, contended)


async def read_body(request: Request, rate: MinimumRate) -> AsyncIterator[bytes]:
    """Yield the body's chunks. Raises UploadTimeout, ClientGone.

    Only the time in which we wait for the client counts: a slow object store is not its fault.
    """
    total = waited = 0.0
    received = 0
    while True:
        started = time.monotonic()
        try:
            # The message itself and not `request.stream()`: a generator would not survive its time-out.
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
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return
