"""The bytes of an image on their way out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import quote

from app.models import Image
from app.storage.object_store import ObjectStore

_UNSAFE = frozenset('"\\%')


async def open_content(object_store: ObjectStore, image: Image) -> AsyncIterator[bytes]:
    """Open the image's object and return its chunks; the store is asked before the answer begins.

    Raises ObjectMissing, StorageUnavailable. Closing the iterator ends the read.
    """
    stack = AsyncExitStack()
    chunks = await stack.enter_async_context(object_store.open(image.storage_key))

    async def stream() -> AsyncIterator[bytes]:
        async with stack:
            async for chunk in chunks:
                yield chunk

    return stream()


def content_headers(image: Image, *, download: bool) -> dict[str, str]:
    """Return the headers of the image's bytes: an image is data, whatever it would like to be in a browser."""
    return {
        "ETag": f'"{image.sha256.hex()}"',
        "Content-Disposition": content_disposition(image.name, download=download),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": f"{image.visibility}, no-cache",
    }


def content_disposition(name: str, *, download: bool) -> str:
    """Return the header of RFC 6266: an ASCII stand-in, and the exact name in RFC 8187's encoding."""
    stand_in = "".join(char if " " <= char <= "~" and char not in _UNSAFE else "_" for char in name)
    kind = "attachment" if download else "inline"
    return f"{kind}; filename=\"{stand_in}\"; filename*=UTF-8''{quote(name, safe='')}"
