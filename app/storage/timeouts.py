"""The timeouts of requests to the object store, and the translation of its errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.etree.ElementTree import ParseError

import aiohttp
from miniopy_async.error import MinioException, S3Error

from app.core.errors import NotFound, StorageUnavailable

# A store that has not responded by then is down.
RESPONSE_TIMEOUT = 1.9
# The minimum rate of a store. It determines the additional time for the bytes of a part.
MIN_BYTES_PER_SECOND = 1024 * 1024
MISSING_CODES = ("NoSuchKey", "NoSuchUpload")


class ObjectMissing(NotFound):
    """The store has no object under this key."""


@asynccontextmanager
async def request_timeout(size: int = 0) -> AsyncIterator[asyncio.Timeout]:
    """Give the store its time for one request that moves `size` bytes, and translate what goes wrong."""
    async with translate_errors(), asyncio.timeout(RESPONSE_TIMEOUT + size / MIN_BYTES_PER_SECOND) as limit:
        yield limit


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    try:
        yield
    # ParseError and ValueError: the server is no object store, or its XML was cut.
    except (MinioException, aiohttp.ClientError, OSError, TimeoutError, ParseError, ValueError) as error:
        if isinstance(error, S3Error) and error.code in MISSING_CODES:
            raise ObjectMissing from error
        raise StorageUnavailable from error
