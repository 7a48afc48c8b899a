"""Is the process alive, and which of its backends answer?"""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from app.health.probes import Dependency, probe_backends
from app.http.dependencies import ServicesDep

# Without these a request cannot be answered; without the others the service goes on, degraded.
VITAL = ("postgres", "object_store")

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class TelemetryState(BaseModel):
    """This worker's request records: waiting in memory, waiting on the disk, and lost for good."""

    queued: int
    spilled: int
    dropped: int


class Readiness(BaseModel):
    """`ok`, `degraded` (requests are answered), `unavailable` (they are not) or `draining` (ask another one)."""

    status: Literal["ok", "degraded", "unavailable", "draining"]
    dependencies: dict[str, Dependency]
    telemetry: TelemetryState


@router.get("/healthz", summary="Check liveness")
async def check_liveness() -> Alive:
    """Return 200 while the process is alive, whatever the state of its backends."""
    return Alive()


@router.get(
    "/readyz",
    summary="Check readiness",
    responses={
        503: {"model": Readiness, "description": "PostgreSQL or the object store does not answer, or the service stops"}
    },
)
async def check_readiness(services: ServicesDep, response: Response) -> Readiness:
    """Probe each backend. MongoDB or Redis down is `degraded`, still 200; a service that stops probes none.

    A backend that answers but cannot store anything, for example with a full disk, is `read-only`. That is `degraded`
    and 200 as well: reads are answered, and another instance would find the same disk.

    Load is not a backend that is down: with every connection to the database at work the answer is the same.
    """
    is_leaving = services.drain.is_leaving
    dependencies = {} if is_leaving else await probe_backends(services)
    recorder = services.recorder
    readiness = Readiness(
        status="draining" if is_leaving else _overall(dependencies),
        dependencies=dependencies,
        telemetry=TelemetryState(queued=recorder.queue_length, spilled=recorder.spilled, dropped=recorder.dropped),
    )
    response.status_code = 503 if readiness.status in ("unavailable", "draining") else 200
    return readiness


def _overall(dependencies: dict[str, Dependency]) -> Literal["ok", "degraded", "unavailable"]:
    down = [name for name, dependency in dependencies.items() if dependency.status == "down"]
    if any(name in VITAL for name in down):
        return "unavailable"
    return "degraded" if any(dependency.status != "up" for dependency in dependencies.values()) else "ok"
