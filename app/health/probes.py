"""Asks each backend for a sign of life."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import BaseModel, Field

from app.http.state import Services

PROBE_TIMEOUT = 1.8


class Dependency(BaseModel):
    """How one backend answered."""

    status: Literal["up", "down"]
    latency_ms: float = Field(examples=[0.8])


async def probe_backends(services: Services) -> dict[str, Dependency]:
    """Ask all of them at once, within two seconds."""
    probes = {
        "postgres": services.database.ping,
        "object_store": services.object_store.ping,
        "mongo": services.recorder.log.ping,
        "redis": services.cache.ping,
    }
    answers = await asyncio.gather(*(_probe(ping) for ping in probes.values()))
    return dict(zip(probes, answers, strict=True))


async def _probe(ping: Callable[[], Awaitable[None]]) -> Dependency:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await ping()
    except Exception:  # noqa: BLE001 - whatever a backend raises means that it is not well
        status: Literal["up", "down"] = "down"
    else:
        status = "up"
    return Dependency(status=status, latency_ms=round((time.perf_counter() - started) * 1000, 2))
