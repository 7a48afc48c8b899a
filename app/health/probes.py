"""Probes of the backends: does each respond, and can it store anything?"""

import asyncio
import contextlib
import time
from typing import Literal, Protocol

from pydantic import BaseModel, Field

from app.http.container import Container

PROBE_TIMEOUT = 1.8


class Dependency(BaseModel):
    """The state of a backend. A `read-only` backend cannot store anything, for example because its disk is full."""

    status: Literal["up", "read-only", "down"]
    latency_ms: float = Field(examples=[0.8])


class Backend(Protocol):
    """A backend that can be probed. Both methods raise an exception on failure."""

    async def ping(self) -> None:
        """Check that the server responds."""

    async def check_writable(self) -> None:
        """Check that the server can store something."""


async def probe_backends(container: Container) -> dict[str, Dependency]:
    """Probe all backends concurrently, within two seconds."""
    backends: dict[str, Backend] = {
        "postgres": container.database,
        "object_store": container.object_store,
        "mongo": container.recorder.log,
        "redis": container.redis,
    }
    results = await asyncio.gather(*map(_probe, backends.values()))
    return dict(zip(backends, results, strict=True))


async def _probe(backend: Backend) -> Dependency:
    started = time.perf_counter()
    status: Literal["up", "read-only", "down"] = "down"
    # Any exception means that the backend is down or read-only.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(PROBE_TIMEOUT):
            await backend.ping()
            status = "read-only"
            await backend.check_writable()
            status = "up"
    return Dependency(status=status, latency_ms=round((time.perf_counter() - started) * 1000, 2))
