"""Responses cached in Redis as bytes that are ready to send.

A response depends on scopes. Each scope has a random token in Redis, and a write deletes the tokens of its scopes. A
reader that finds no token creates one *before* it reads the database. So an unchanged token proves that nothing in its
scope was written since. The tokens of an entry form its version. A response that is stored late has an old version,
which no reader looks for.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.cache.lease import Lease
from app.cache.pipelined_connection import CommandRefused, PipelinedConnection
from app.cache.redis_client import CacheUnavailable
from app.core.observability.request_counters import count_cache
from app.core.security import derive_key

MAX_RESPONSE_BYTES = 256 * 1024
TOKEN_SECONDS = 3600
_VERSION_BYTES = _MAC_BYTES = 16
_TOKEN_BYTES = 12
# The verified responses that a worker keeps, and the size above which it keeps none: 8 MiB in all.
MAX_VERIFIED = 128
MAX_VERIFIED_BYTES = 32 * 1024

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """The headers and the body of a 200."""

    headers: list[Header]  # names in lower case
    body: bytes
    # False if a request a moment later would get another response.
    cacheable: bool = True

    @property
    def etag(self) -> str:
        return next(value for name, value in self.headers if name == b"etag").decode("latin-1")


Load = Callable[[], Awaitable[CachedResponse]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """The key of a response, and its current version."""

    key: str
    version: bytes


class ResponseCache:
    """Returns responses from Redis. Concurrent requests for a missing response share one load."""

    def __init__(self, connection: PipelinedConnection, lease: Lease, secret: str, lifetime: int) -> None:
        self._connection = connection
        self._lease = lease
        self._key = derive_key(secret, b"imts-cache")
        self._lifetime = lifetime
        # The last verified responses, by key, with the bytes that Redis returned for them.
        self._verified: OrderedDict[str, tuple[bytes, CachedResponse]] = OrderedDict()
        # The loads in progress, by entry; the result of a failed load is None.
        self._loads: dict[_Entry, asyncio.Future[CachedResponse | None]] = {}

    @property
    def is_usable(self) -> bool:
        """Whether this worker may read the cache."""
        return self._lease.key_prefix is not None

    @property
    def is_disconnected(self) -> bool:
        """Whether the connection to Redis is down."""
        return self._connection.is_down

    async def get_or_load(self, name: str, scopes: Sequence[str], load: Load) -> CachedResponse:
        """Return the cached response of this name, or load and store it. It depends on `scopes`.

        If Redis fails in any way, the response is loaded.
        """
        prefix = self._lease.key_prefix
        if prefix is None:
            return await load()
        try:
            entry, stored = await self._read(f"{prefix}response:{name}", [f"{prefix}scope:{one}" for one in scopes])
        except (CacheUnavailable, CommandRefused):
            return await load()
        found = self._unpack(entry, stored) if stored else None
        count_cache(hit=found is not None)
        if found is not None:
            return found
        # The entry includes the version: a request after a write must not share a load from before it.
        if loading := self._loads.get(entry):
            return await asyncio.shield(loading) or await load()
        return await self._load(entry, load)

    async def invalidate(self, scopes: Collection[str]) -> None:
        """Return once no reader can get a response that was loaded before now and depends on one of these scopes."""
        if self._lease.all_leases_expired:
            return
        # A lost connection can often be replaced at once, which is faster than disabling the cache.
        deleted = await self._delete(scopes) or (self._connection.is_down and await self._delete(scopes))
        if not deleted:
            await self._lease.wait_for_leases_to_expire()

    async def _delete(self, scopes: Collection[str]) -> bool:
        if self._lease.key_prefix is None:
            await self._lease.reconnect()
            if not self._connection.is_down:
                await self._lease.refresh()
        prefix = self._lease.key_prefix
        if prefix is None:
            return False
        # A full Redis still deletes keys, but it stores nothing.
        try:
            await self._connection.execute("DEL", *(f"{prefix}scope:{one}" for one in scopes))
        except CacheUnavailable:
            return False
        except CommandRefused:
            self._connection.mark_down()
            return False
        return True

    async def _read(self, key: str, scopes: list[str]) -> tuple[_Entry, bytes | None]:
        *tokens, stored = await self._connection.execute("MGET", *scopes, key)
        if None in tokens:
            tokens, stored = await self._create_tokens(scopes), None
        version = hashlib.blake2b(b"".join(tokens), digest_size=_VERSION_BYTES).digest()
        return _Entry(key, version), stored

    async def _create_tokens(self, scopes: list[str]) -> list[bytes]:
        created = [
            self._connection.send("SET", scope, os.urandom(_TOKEN_BYTES).hex(), "NX", "EX", TOKEN_SECONDS)
            for scope in scopes
        ]
        tokens: list[bytes | None] = await self._connection.execute("MGET", *scopes)
        await asyncio.gather(*created)
        if any(token is None for token in tokens):
            raise CacheUnavailable("Another write invalidated the response")
        return [bytes(token or b"") for token in tokens]

    async def _load(self, entry: _Entry, load: Load) -> CachedResponse:
        # In the task of the first request, not in a new one: an endpoint's dependencies must exit in their own task.
        self._loads[entry] = loading = asyncio.get_running_loop().create_future()
        response: CachedResponse | None = None
        try:
            response = await load()
        finally:
            del self._loads[entry]
            loading.set_result(response)
        self._store(entry, response)
        return response

    def _store(self, entry: _Entry, response: CachedResponse) -> None:
        if response.cacheable and len(response.body) <= MAX_RESPONSE_BYTES:
            # No caller waits for it. The connection runs it before any later read.
            with contextlib.suppress(CacheUnavailable):
                self._connection.send("SET", entry.key, self._pack(entry, response), "EX", self._lifetime)

    def _pack(self, entry: _Entry, response: CachedResponse) -> bytes:
        headers = json.dumps([[one.decode("latin-1") for one in header] for header in response.headers]).encode()
        sealed = entry.version + len(headers).to_bytes(4, "big") + headers + response.body
        return self._mac(entry.key, sealed) + sealed

    def _unpack(self, entry: _Entry, stored: bytes) -> CachedResponse | None:
        """Return the response; None if it has another version or an invalid MAC.

        The MAC and the headers of a page of 12 KB cost a hundred times as much as a comparison with its verified bytes.
        """
        if not stored.startswith(entry.version, _MAC_BYTES):
            return None
        verified = self._verified.get(entry.key)
        if verified is not None and verified[0] == stored:
            return verified[1]
        response = self._verify(entry, stored)
        if response is not None and len(stored) <= MAX_VERIFIED_BYTES:
            self._verified[entry.key] = stored, response
            if len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)
        return response

    def _verify(self, entry: _Entry, stored: bytes) -> CachedResponse | None:
        sealed = stored[_MAC_BYTES:]
        if not hmac.compare_digest(stored[:_MAC_BYTES], self._mac(entry.key, sealed)):
            return None
        body_at = _VERSION_BYTES + 4 + int.from_bytes(sealed[_VERSION_BYTES : _VERSION_BYTES + 4], "big")
        headers: list[Any] = json.loads(sealed[_VERSION_BYTES + 4 : body_at])
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return CachedResponse(pairs, sealed[body_at:])

    def _mac(self, key: str, sealed: bytes) -> bytes:
        digest = hashlib.blake2b(sealed, key=self._key, digest_size=_MAC_BYTES)
        digest.update(key.encode())
        return digest.digest()
