"""Is the process alive, and which of its backends answer?"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.http.dependencies import ServicesDep

PROBE_TIMEOUT = 1.8
# Without these a request cannot be answered; without the others the service goes on, degraded.
VITAL = ("postgres", "object_store")

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Dependency(BaseModel):
    """How one backend answered."""

    status: Literal["up", "down"]
    latency_ms: float = Field(examples=[0.8])


class TelemetryState(BaseModel):
    """This worker's request records: waiting in memory, waiting on the disk, and lost for good."""

    queued: int
    spilled: int
    dropped: int


class Readiness(BaseModel):
    """`ok`, `degraded` (requests are answered) or `unavailable` (they are not)."""

    status: Literal["ok", "degraded", "unavailable"]
    dependencies: dict[str, Dependency]
    telemetry: TelemetryState


@router.get("/healthz", summary="Is the process alive?")
async def check_liveness() -> Alive:
    """Answer 200 while the process lives, whatever its backends do."""
    return Alive()


@router.get(
    "/readyz",
    summary="Which backends answer?",
    responses={503: {"model": Readiness, "description": "PostgreSQL or the object store does not answer"}},
)
async def check_readiness(services: ServicesDep, response: Response) -> Readiness:
    """Probe each backend. MongoDB or Redis down is `degraded`, still 200."""
    probes = {
        "postgres": services.database.ping,
        "object_store": services.object_store.ping,
        "mongo": services.recorder.log.ping,
        "redis": services.cache.ping,
    }
    answers = await asyncio.gather(*(_probe(ping) for ping in probes.values()))
    dependencies = dict(zip(probes, answers, strict=True))
    recorder = services.recorder
    readiness = Readiness(
        status=_overall(dependencies),
        dependencies=dependencies,
        telemetry=TelemetryState(queued=recorder.queue_length, spilled=recorder.spilled, dropped=recorder.dropped),
    )
    response.status_code = 503 if readiness.status == "unavailable" else 200
    return readiness


def _overall(dependencies: dict[str, Dependency]) -> Literal["ok", "degraded", "unavailable"]:
    down = [name for name, dependency in dependencies.items() if dependency.status == "down"]
    if any(name in VITAL for name in down):
        return "unavailable"
    return "degraded" if down else "ok"


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
