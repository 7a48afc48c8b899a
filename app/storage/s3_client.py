"""The client of the library, changed to send a body in chunks, and to compute no digest of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter
from miniopy_async import time
from miniopy_async.api import Minio

from app.core.settings import StorageSettings

# The digest of an empty body, and the marker of an unsigned one (AWS Signature Version 4, "x-amz-content-sha256").
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

READ_BYTES = 256 * 1024
CONNECT_TIMEOUT = 1.5
# Between two chunks of an object that is being read.
READ_TIMEOUT = 30
# The chunks of a body in order. They are not joined, which would copy 5 MiB for each part.
Chunks = Sequence[bytes]


class Body(Payload):
    """A body in chunks; it can be sent again."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks)
        self._size = sum(map(len, chunks))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text; aiohttp calls this when it logs requests."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        for chunk in self._value:
            await writer.write(chunk)


class Client(Minio):
    """Signs the headers only.

    The library would read every body once more for the digest in its signature, 8 KiB at a time and in a thread. The
    entity tag of the response proves that the store has the right bytes. TLS (STORAGE_SECURE) protects both against
    changes on the way.
    """

    async def _build_headers(self, host: str, headers: Any, body: Any, creds: Any) -> tuple[dict[str, str], datetime]:
        if body and not isinstance(body, Body):
            # The library's own documents, such as the list of what is to be deleted.
            built: tuple[dict[str, str], datetime] = await super()._build_headers(host, headers, body, creds)
            return built
        now = time.utcnow()
        own = {
            **(headers or {}),
            "Host": host,
            "User-Agent": self._user_agent,
            "x-amz-content-sha256": _UNSIGNED_PAYLOAD if body else _EMPTY_SHA256,
            "x-amz-date": time.to_amz_date(now),
        }
        if body:
            own["Content-Length"] = str(body.size)
        if creds.session_token:
            own["X-Amz-Security-Token"] = creds.session_token
        return own, now


def open_session(limit: int, trace_configs: Sequence[aiohttp.TraceConfig] = ()) -> aiohttp.ClientSession:
    """Return a session with at most `limit` connections."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=READ_TIMEOUT),
        auto_decompress=False,
        read_bufsize=READ_BYTES,
        trace_configs=list(trace_configs),
    )


def connect(settings: StorageSettings, session: aiohttp.ClientSession, public_endpoint: str | None = None) -> Client:
    """Return a client of the store; with a public endpoint, one that signs for it."""
    if public_endpoint and "://" not in public_endpoint:
        public_endpoint = f"{'https' if settings.storage_secure else 'http'}://{public_endpoint}"
    return Client(
        settings.storage_endpoint,
        access_key=settings.storage_access_key,
        secret_key=settings.storage_secret_key.get_secret_value(),
        secure=settings.storage_secure,
        region=settings.storage_region,
        session=session,
        server_url=public_endpoint or None,
    )
