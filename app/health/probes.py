"""Asks each backend for a sign of life, and whether it can store anything."""

import asyncio
import contextlib
import time
from typing import Literal, Protocol

from pydantic import BaseModel, Field

from app.http.container import Services

PROBE_TIMEOUT = 1.8


class Dependency(BaseModel):
    """The state of a backend. A `read-only` backend cannot store anything, for example because its disk is full."""

    status: Literal["up", "read-only", "down"]
    latency_ms: float = Field(examples=[0.8])


class Backend(Protocol):
    """What a probe asks a backend; either raises where it fails."""

    async def ping(self) -> None:
        """Ask the server for a sign of life."""

    async def check_writable(self) -> None:
        """Have the server store something."""


async def probe_backends(services: Services) -> dict[str, Dependency]:
    """Ask all of them at once, within two seconds."""
    backends: dict[str, Backend] = {
        "postgres": services.database,
        "object_store": services.object_store,
        "mongo": services.recorder.log,
        "redis": services.redis,
    }
    answers = await asyncio.gather(*map(_probe, backends.values()))
    return dict(zip(backends, answers, strict=True))


async def _probe(backend: Backend) -> Dependency:
    started = time.perf_counter()
    status: Literal["up", "read-only", "down"] = "down"
    # Whatever a backend raises means that it is not well.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(PROBE_TIMEOUT):
            await backend.ping()
            status = "read-only"
            await backend.check_writable()
            status = "up"
    return Dependency(status=status, latency_ms=round((time.perf_counter() - started) * 1000, 2))
