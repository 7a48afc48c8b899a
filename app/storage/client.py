"""The library's client, but it sends a body as it came, in pieces, and hashes none."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter
from miniopy_async import time
from miniopy_async.api import Minio

# Digest of nothing, and what stands for a digest that is not told (AWS Signature Version 4, "x-amz-content-sha256").
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_NOT_TOLD = "UNSIGNED-PAYLOAD"

# One after the other they are the body. Nobody needs them in one piece, and joining a part copies 5 MiB.
Pieces = Sequence[bytes]


class Body(Payload):
    """A body in pieces; it can be sent again."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces)
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text, for whoever logs requests."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        for piece in self._value:
            await writer.write(piece)


class Client(Minio):
    """Signs the headers only.

    The library reads every body once more to have its digest in the signature, 8 KiB at a time and in a thread, where
    requests without a body go as well. That the store has the right bytes is seen by the entity tag it answers with;
    that nobody changes both on the way is a matter of TLS (STORAGE_SECURE).
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
            "x-amz-content-sha256": _NOT_TOLD if body else _NOTHING,
            "x-amz-date": time.to_amz_date(now),
        }
        if body:
            own["Content-Length"] = str(body.size)
        if creds.session_token:
            own["X-Amz-Security-Token"] = creds.session_token
        return own, now
