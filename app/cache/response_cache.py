"""Answers kept in Redis as bytes ready to send.

An answer is stored under the stamp of its scopes: each scope has a random token in Redis, which a write deletes. Who
finds no token makes one *before* reading the database, so that a token that is still there proves that nothing of its
scope was written since. Nothing is ever overwritten with older data: an answer that comes late has a stamp that no
reader looks for.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from app.cache.lease import Lease
from app.cache.link import CommandRefused, RedisLink
from app.cache.redis_client import CacheUnavailable
from app.core.request_counters import count_cache
from app.core.security import derived_key

MAX_ANSWER_BYTES = 256 * 1024
TOKEN_SECONDS = 3600
_STAMP_BYTES = _MAC_BYTES = 16
_TOKEN_BYTES = 12

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """The headers and the body of a 200."""

    headers: list[Header]  # names in lower case
    body: bytes
    # Whether it is the same for whoever asks a little later.
    lasting: bool = True

    @property
    def etag(self) -> str:
        """Its entity tag."""
        return next(value for name, value in self.headers if name == b"etag").decode("latin-1")


Load = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an answer lies, and the stamp that it must have to be good."""

    key: str
    stamp: bytes


class AnswerCache:
    """Gives answers out of Redis, and loads those that are not there once for all who ask."""

    def __init__(self, link: RedisLink, lease: Lease, secret: str, lifetime: int) -> None:
        self._link = link
        self._lease = lease
        self._key = derived_key(secret, b"imts-cache")
        self._lifetime = lifetime
        # The loads under way, by place; None is the outcome of one that failed.
        self._loads: dict[_Place, asyncio.Future[Answer | None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether the cache is in use."""
        return self._lease.prefix is not None

    @property
    def is_cut_off(self) -> bool:
        """Whether nobody asks Redis, since it does not answer as it must."""
        return self._link.server is None

    async def find_or_load(self, name: str, scopes: Sequence[str], load: Load) -> Answer:
        """Return the answer of this name, which depends on these scopes; `load` makes it where it is not there.

        Whatever ails Redis, the answer is loaded.
        """
        prefix = self._lease.prefix
        if prefix is None:
            return await load()
        try:
            place, stored = await self._look_up(f"{prefix}answer:{name}", [f"{prefix}scope:{one}" for one in scopes])
        except (CacheUnavailable, CommandRefused):
            return await load()
        found = self._unpack(place, stored) if stored else None
        count_cache(hit=found is not None)
        if found is not None:
            return found
        # By the stamp, too: who asks after a write must not be given what was read before it.
        if loading := self._loads.get(place):
            return await asyncio.shield(loading) or await load()
        return await self._load(place, load)

    async def forget(self, scopes: Collection[str]) -> None:
        """Return once nobody can be given an answer that was loaded before now and depends on one of these scopes."""
        if self._lease.is_quiet:
            return
        # A connection that is lost is often made again at once, which is quicker than having everybody stop.
        deleted = await self._delete(scopes) or (self._link.server is None and await self._delete(scopes))
        if not deleted:
            await self._lease.wait_until_quiet()

    async def _delete(self, scopes: Collection[str]) -> bool:
        if self._lease.prefix is None:
            await self._lease.mend()
            if self._link.server is not None:
                await self._lease.ask()
        prefix = self._lease.prefix
        if prefix is None:
            return False
        # Deleted, not replaced: a Redis that is full still does that.
        try:
            await self._link.run("DEL", *(f"{prefix}scope:{one}" for one in scopes))
        except CacheUnavailable:
            return False
        except CommandRefused:
            self._link.give_up()
            return False
        return True

    async def _look_up(self, key: str, scopes: list[str]) -> tuple[_Place, bytes | None]:
        *tokens, stored = await self._link.run("MGET", *scopes, key)
        if None in tokens:
            tokens, stored = await self._make_tokens(scopes), None
        stamp = hashlib.blake2b(b"".join(tokens), digest_size=_STAMP_BYTES).digest()
        return _Place(key, stamp), stored

    async def _make_tokens(self, scopes: list[str]) -> list[bytes]:
        made = [
            self._link.post("SET", scope, os.urandom(_TOKEN_BYTES).hex(), "NX", "EX", TOKEN_SECONDS) for scope in scopes
        ]
        tokens: list[bytes | None] = await self._link.run("MGET", *scopes)
        await asyncio.gather(*made)
        if any(token is None for token in tokens):
            raise CacheUnavailable("Another write invalidated the response")
        return [bytes(token or b"") for token in tokens]

    async def _load(self, place: _Place, load: Load) -> Answer:
        # In the task of who came first, and not in one of its own: an endpoint's dependencies end where they began.
        self._loads[place] = loading = asyncio.get_running_loop().create_future()
        answer: Answer | None = None
        try:
            answer = await load()
        finally:
            del self._loads[place]
            loading.set_result(answer)
        self._keep(place, answer)
        return answer

    def _keep(self, place: _Place, answer: Answer) -> None:
        if answer.lasting and len(answer.body) <= MAX_ANSWER_BYTES:
            # Nobody waits for it; on this connection it comes before whoever asks next.
            with contextlib.suppress(CacheUnavailable):
                self._link.post("SET", place.key, self._pack(place, answer), "EX", self._lifetime)

    def _pack(self, place: _Place, answer: Answer) -> bytes:
        headers = json.dumps([[one.decode("latin-1") for one in header] for header in answer.headers]).encode()
        sealed = place.stamp + len(headers).to_bytes(4, "big") + headers + answer.body
        return self._mac(place.key, sealed) + sealed

    def _unpack(self, place: _Place, stored: bytes) -> Answer | None:
        """Return the answer, None when it is of another stamp or when we have not written it."""
        sealed = stored[_MAC_BYTES:]
        if not sealed.startswith(place.stamp):
            return None
        if not hmac.compare_digest(stored[:_MAC_BYTES], self._mac(place.key, sealed)):
            return None
        body_at = _STAMP_BYTES + 4 + int.from_bytes(sealed[_STAMP_BYTES : _STAMP_BYTES + 4], "big")
        headers: list[Any] = json.loads(sealed[_STAMP_BYTES + 4 : body_at])
        return Answer([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers], sealed[body_at:])

    def _mac(self, key: str, sealed: bytes) -> bytes:
        digest = hashlib.blake2b(sealed, key=self._key, digest_size=_MAC_BYTES)
        digest.update(key.encode())
        return digest.digest()
