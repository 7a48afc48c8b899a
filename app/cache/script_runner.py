"""Runs the Lua scripts of the rate limiter, on one pipelined connection of their own.

The stock client takes four times the processor time: see docs/decisions/0008. The connection of the response cache is
another one, because it is down whenever its short timeout has passed.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from app.cache.pipelined_connection import CommandRefused, PipelinedConnection
from app.cache.redis_client import CacheUnavailable
from app.core.concurrency import SingleFlight
from app.core.settings import CacheSettings

# With the time to connect again, a server that does not respond delays a request by 1.5 s.
TIMEOUT = 0.5


class ScriptRunner:
    """Connects on first use, and again after a failure. Redis may lose all its data at any time."""

    def __init__(self, settings: CacheSettings) -> None:
        self._connection = PipelinedConnection(settings.redis_url.get_secret_value(), TIMEOUT)
        self._connecting = SingleFlight[None]()

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[float]) -> str:
        """Run a script, which is atomic. Raises CacheUnavailable."""
        operands = (str(len(keys)), *keys, *map(repr, arguments))
        if not self._connection.is_down:
            try:
                return await self._evaluate(script, operands)
            except CacheUnavailable:
                # The server may have been restarted since the last script.
                pass
        await self._connecting.run("connect", self._connection.reconnect)
        return await self._evaluate(script, operands)

    async def close(self) -> None:
        """Close the connection."""
        await self._connecting.close()
        await self._connection.close()

    async def _evaluate(self, script: str, operands: tuple[str, ...]) -> str:
        try:
            reply = await self._connection.execute("EVALSHA", _digest(script), *operands)
        except CommandRefused:
            reply = await self._load_and_evaluate(script, operands)
        return bytes(reply).decode()

    async def _load_and_evaluate(self, script: str, operands: tuple[str, ...]) -> bytes:
        """Run a script that the server may not have yet."""
        try:
            reply: bytes = await self._connection.execute("EVAL", script, *operands)
        except CommandRefused as error:
            raise CacheUnavailable from error
        return reply


@lru_cache
def _digest(script: str) -> str:
    """Return the name of a script in Redis."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
