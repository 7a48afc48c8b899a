"""The body of an upload, bounded in time."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from app.core.errors import AppError, BadRequest


class UploadTimeout(AppError):
    """The client sent nothing for too long."""

    slug, title, status = "upload-timeout", "The upload sent nothing for too long", 408


class ClientGone(BadRequest):
    """The client went away; nobody reads this answer, but the record of the request has it."""

    slug, title = "client-disconnected", "The client went away"


async def read_body(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield the body's chunks. Raises UploadTimeout when none comes for `idle_seconds`, and ClientGone."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise UploadTimeout from error
        except ClientDisconnect as error:
            raise ClientGone from error
        if chunk is None:
            return
        if chunk:
            yield chunk
