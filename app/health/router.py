"""Liveness of the process and readiness of its backends."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.health.probes import Dependency, probe_backends
from app.http.dependencies import ContainerDep

# Without these, no request can be served. Without the others, the service is degraded.
VITAL = ("postgres", "object_store")

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class TelemetryState(BaseModel):
    """The number of request records of this worker that wait in memory, wait on disk, and were dropped."""

    queued: int
    spilled: int
    dropped: int


class Readiness(BaseModel):
    """The state: `ok`, `degraded` (requests are served), `unavailable` or `draining` (the process is stopping)."""

    status: Literal["ok", "degraded", "unavailable", "draining"]
    dependencies: dict[str, Dependency]
    telemetry: TelemetryState


@router.get("/healthz", summary="Check liveness")
async def check_liveness() -> Alive:
    """Return 200 while the process is alive. The state of the backends does not matter."""
    return Alive()


@router.get(
    "/readyz",
    summary="Check readiness",
    responses={
        503: {"model": Readiness, "description": "PostgreSQL or the object store is down, or the process is stopping"}
    },
)
async def check_readiness(container: ContainerDep, response: Response) -> Readiness:
    """Probe each backend and return 200 if requests can be served, else 503.

    If MongoDB or Redis is down, the status is `degraded` with 200. A backend that cannot store anything, for example
    because its disk is full, is `read-only`. The status is then `degraded` with 200, too: reads are served, and another
    instance would have the same problem. A stopping process probes no backend. Load does not affect the status.
    """
    is_leaving = container.shutdown.is_leaving
    dependencies = {} if is_leaving else await probe_backends(container)
    recorder = container.recorder
    readiness = Readiness(
        status="draining" if is_leaving else _overall(dependencies),
        dependencies=dependencies,
        telemetry=TelemetryState(queued=recorder.queue_length, spilled=recorder.undelivered, dropped=recorder.dropped),
    )
    response.status_code = 503 if readiness.status in ("unavailable", "draining") else 200
    return readiness


def _overall(dependencies: dict[str, Dependency]) -> Literal["ok", "degraded", "unavailable"]:
    down = [name for name, dependency in dependencies.items() if dependency.status == "down"]
    if any(name in VITAL for name in down):
        return "unavailable"
    return "degraded" if any(dependency.status != "up" for dependency in dependencies.values()) else "ok"
