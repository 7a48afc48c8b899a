"""Responses with the content of an image."""

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from urllib.parse import quote

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from app.core.errors import StorageUnavailable
from app.http.requests.byte_ranges import parse_range
from app.http.requests.conditional import check_preconditions, http_date, range_applies
from app.images.content.original_source import OriginalLocator
from app.models import Image
from app.models.image import Visibility
from app.storage.download import OpenObject
from app.storage.object_store import ObjectStore

THUMBNAIL_SECONDS = 365 * 24 * 3600
# The time for which shared caches serve a thumbnail without revalidation. Other clients may see the thumbnail for this
# time after its image was made private.
SHARED_SECONDS = 300
# Smaller objects are read whole: no slow client holds a connection to the store, and no task watches the client.
WHOLE_BYTES = 256 * 1024
_UNSAFE = frozenset('"\\%')


class ObjectResponse(Response):
    """Sends an open object. The read from the store ends when the client disconnects.

    Unlike Starlette's StreamingResponse, it watches the client with one task instead of two and a task group. It sends
    no empty message at the end, because every message passes all the middleware.
    """

    def __init__(self, stack: AsyncExitStack, opened: OpenObject, status: int, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.background = None
        self.init_headers({**headers, "Content-Length": str(opened.length)})
        self._stack = stack
        self._opened = opened

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            disconnection = asyncio.create_task(_wait_for_disconnection(receive))
            try:
                await self._send_while(disconnection, send)
            finally:
                disconnection.cancel()

    async def _send_while(self, disconnection: asyncio.Task[None], send: Send) -> None:
        """Send the object until its end or until the client disconnects."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                is_sending = True

                def end(_: object) -> None:
                    # A client can disconnect during the last chunk: the callback then runs after the block.
                    if is_sending:
                        limit.reschedule(0)

                disconnection.add_done_callback(end)
                try:
                    await self._send_all(send)
                finally:
                    is_sending = False

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        missing = self._opened.length
        async for chunk in self._opened.chunks:
            missing -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": missing > 0})
        if missing:
            raise StorageUnavailable("The object store returned an incomplete object")


async def _wait_for_disconnection(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(
    opening: AbstractAsyncContextManager[OpenObject], headers: Mapping[str, str], status: int = 200
) -> Response:
    """Open the object, so that an error still becomes a problem document, and return the response that sends it."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(opening)
        if opened.length <= WHOLE_BYTES:
            return Response(b"".join([chunk async for chunk in opened.chunks]), status, headers)
        return ObjectResponse(stack.pop_all(), opened, status, headers)


async def content_response(
    request: Request, object_store: ObjectStore, originals: OriginalLocator, image: Image, *, download: bool
) -> Response:
    """Return the response to a read of the original: the whole, a range, or 304.

    Raises PreconditionFailed, RangeNotSatisfiable, ObjectMissing, StorageUnavailable, InvalidImage.
    """
    etag = originals.entity_tag(image)
    headers = content_headers(image, etag, download=download)
    if check_preconditions(request.headers, etag, image.created_at):
        return Response(status_code=304, headers=headers)
    source = await originals.find(image)
    headers |= {"Accept-Ranges": "bytes", "Content-Type": image.content_type}
    if is_head(request):
        return Response(headers={**headers, "Content-Length": str(source.size)})
    applies = range_applies(request.headers, etag, image.created_at)
    span = parse_range(request.headers.get("range"), source.size) if applies else None
    if span is None:
        return await respond(object_store.open(source.storage_key), headers)
    headers["Content-Range"] = span.content_range
    return await respond(object_store.open(source.storage_key, span.start, span.length), headers, 206)


def is_head(request: Request) -> bool:
    """Return whether the response's body would be discarded (RFC 9110 also has HEAD ignore ranges)."""
    return getattr(request.state, "is_head", False)


def content_headers(image: Image, etag: str, *, download: bool) -> dict[str, str]:
    """Return the headers of the original's bytes: caches may store them, but must revalidate them each time."""
    return {
        **_data_headers(image, image.name, download=download),
        "ETag": etag,
        "Cache-Control": f"{image.visibility}, no-cache",
    }


def thumbnail_headers(image: Image, size: int, version: int) -> dict[str, str]:
    """Return the headers of a thumbnail. It never changes, but its visibility does: shared caches must revalidate."""
    shared = f", s-maxage={SHARED_SECONDS}" if image.visibility == Visibility.PUBLIC else ""
    return {
        **_data_headers(image, f"{image.name}.{size}.webp", download=False),
        "ETag": f'"{image.sha256.hex()}-{size}-{version}"',
        "Cache-Control": f"{image.visibility}, max-age={THUMBNAIL_SECONDS}, immutable{shared}",
    }


def content_disposition(name: str, *, download: bool) -> str:
    """Return the header of RFC 6266: an ASCII stand-in, and the exact name in RFC 8187's encoding."""
    stand_in = "".join(char if " " <= char <= "~" and char not in _UNSAFE else "_" for char in name)
    kind = "attachment" if download else "inline"
    return f"{kind}; filename=\"{stand_in}\"; filename*=UTF-8''{quote(name, safe='')}"


def _data_headers(image: Image, name: str, *, download: bool) -> dict[str, str]:
    # A browser must treat an image as data only.
    return {
        "Last-Modified": http_date(image.created_at),
        "Content-Disposition": content_disposition(name, download=download),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
