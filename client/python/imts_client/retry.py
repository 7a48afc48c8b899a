"""HTTP clients that repeat a request while the service is busy: status 429 and 503, after `Retry-After`."""

import asyncio
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from .api_error import ApiError

TRIES = 5
MAX_WAIT_SECONDS = 30.0
_BUSY = frozenset((httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE))


class RetryingClient(httpx.Client):
    """A client that sends a request up to TRIES times, and returns the last response."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request. A body from an iterator is sent once, since it cannot be read again.

        Raises ApiError for an error that is no problem document, such as the page of a proxy.
        """
        response = super().send(request, **options)
        for _ in range(TRIES - 1):
            if not _is_repeatable(request, response):
                break
            response.close()
            time.sleep(seconds_to_wait(response.headers.get("Retry-After")))
            response = super().send(request, **options)
        if _is_foreign_error(response):
            response.read()
            raise ApiError.of(response)
        return response


class RetryingAsyncClient(httpx.AsyncClient):
    """The same for asyncio."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request as RetryingClient does."""
        response = await super().send(request, **options)
        for _ in range(TRIES - 1):
            if not _is_repeatable(request, response):
                break
            await response.aclose()
            await asyncio.sleep(seconds_to_wait(response.headers.get("Retry-After")))
            response = await super().send(request, **options)
        if _is_foreign_error(response):
            await response.aread()
            raise ApiError.of(response)
        return response


def seconds_to_wait(retry_after: str | None) -> float:
    """Return how long `Retry-After` asks a client to wait (RFC 9110, 10.2.3), at most MAX_WAIT_SECONDS."""
    value = (retry_after or "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return min(MAX_WAIT_SECONDS, float(value))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 1.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(MAX_WAIT_SECONDS, max(0.0, (aware - datetime.now(UTC)).total_seconds()))


def can_send_again(request: httpx.Request) -> bool:
    """Return whether the body is in memory, or a form whose files can be read again."""
    form = request.headers.get("Content-Type", "").startswith("multipart/form-data")
    return form or isinstance(request.stream, httpx.ByteStream)


def _is_repeatable(request: httpx.Request, response: httpx.Response) -> bool:
    return response.status_code in _BUSY and can_send_again(request)


def _is_foreign_error(response: httpx.Response) -> bool:
    """Return whether the generated operations cannot parse the response."""
    return response.is_error and "problem+json" not in response.headers.get("Content-Type", "")
