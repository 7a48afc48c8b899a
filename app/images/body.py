"""The body of an upload, bounded in time."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request

from app.core.errors import BadRequest, RequestTimeout


class UploadTimeout(RequestTimeout):
    """The client sent nothing, or next to nothing, for too long."""

    slug, title = "upload-timeout", "The upload came too slowly"


class ClientGone(BadRequest):
    """The client went away; nobody reads this answer, but the record of the request has it."""

    slug, title = "client-disconnected", "The client went away"


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a client may be: in each window it sends at least so many bytes, and all within the total."""

    window_seconds: float
    window_bytes: int
    total_seconds: float


async def read_body(request: Request, pace: Pace) -> AsyncIterator[bytes]:
    """Yield the body's chunks. Raises UploadTimeout, ClientGone.

    Only the time in which we wait for the client counts: a slow object store is not its fault.
    """
    total = waited = 0.0
    received = 0
    while True:
        started = time.monotonic()
        try:
            # The message itself and not `request.stream()`: a generator would not survive its time-out.
            async with asyncio.timeout(pace.window_seconds - waited):
                message = await request.receive()
        except TimeoutError as error:
            total += pace.window_seconds
            if received < max(1, pace.window_bytes) or total >= pace.total_seconds:
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
