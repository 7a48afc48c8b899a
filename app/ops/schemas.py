"""Response bodies of the endpoints for operators."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.core.pagination import Page
from app.models import AuditAction
from app.telemetry.metrics.time_series import Point


class RequestRead(BaseModel):
    """A request record. Durations are in milliseconds; `bytes_in` and `bytes_out` are the sizes of the bodies.

    `status` is 499 if the client disconnected before the response. `aborted` marks an incomplete response.
    """

    event_id: str = Field(examples=["9f86d081884c7d65000000012a"])
    time: datetime
    method: str = Field(examples=["GET"])
    route: str = Field(examples=["/v1/images/{image_id}"])
    path: str = Field(examples=["/v1/images/1f0c3a52-c7d4-11f0-9d7e-63c1c0a4b6f1"])
    query: str | None = Field(None, examples=["limit=20&q=[redacted]"])
    status: int = Field(examples=[200])
    duration_ms: float = Field(examples=[3.2])
    first_byte_ms: float | None = Field(None, examples=[2.9])
    bytes_in: int = Field(examples=[0])
    bytes_out: int = Field(examples=[612])
    user_id: str | None = None
    credential_id: str | None = Field(None, description="The id of the session or of the API key")
    client: str | None = Field(None, examples=["203.0.113.7"])
    user_agent: str = Field(examples=["curl/8.9"])
    request_id: str = Field(examples=["0d3f7c52a1b84e6f9c1d2e3f40516273"])
    trace_id: str | None = None
    statements: int = Field(examples=[2], description="SQL statements")
    statement_ms: float = Field(examples=[1.4])
    cache_hits: int = Field(examples=[1])
    cache_misses: int = Field(examples=[0])
    error_slug: str | None = Field(None, examples=["image-not-found"])
    worker: str = Field(examples=["host-1:4711"])
    client_disconnected: bool
    aborted: bool

    @classmethod
    def of(cls, document: dict[str, Any]) -> "RequestRead":
        """Shape a document of the request log."""
        meta = document["meta"]
        return cls.model_validate(
            document | {"event_id": document["_id"], "method": meta["method"], "route": meta["route"]}
        )


class RequestPage(Page[RequestRead]):
    """A page of request records, newest first."""


class MetricsPoint(BaseModel):
    """A point of a time series. `errors` counts 5xx responses. Percentiles have an error of at most 5 %."""

    start: datetime
    group: str = Field(examples=["/v1/images"])
    count: int = Field(examples=[1200])
    errors: int = Field(examples=[0])
    bytes_in: int = Field(examples=[0])
    bytes_out: int = Field(examples=[734400])
    p50_ms: float | None = Field(examples=[2.1])
    p95_ms: float | None = Field(examples=[6.3])
    p99_ms: float | None = Field(examples=[11.8])

    @classmethod
    def of(cls, point: Point) -> "MetricsPoint":
        """Shape a point of the metrics."""
        return cls(
            start=point.start,
            group=point.group,
            count=point.count,
            errors=point.errors,
            bytes_in=point.bytes_in,
            bytes_out=point.bytes_out,
            p50_ms=point.percentile_ms(50),
            p95_ms=point.percentile_ms(95),
            p99_ms=point.percentile_ms(99),
        )


class MetricsSeries(BaseModel):
    """Points ordered by time, then group. A group without requests in a step has no point there."""

    items: list[MetricsPoint]


class AuditRead(BaseModel):
    """An administrative action. `before` and `after` have the changed members only, and never a secret.

    `actor` is null for an action of a command or of the service. `object` is the path of the changed resource.
    """

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    actor: uuid.UUID | None = Field(description="The id of the account that acted")
    action: AuditAction = Field(examples=["tag.rename"])
    object: str = Field(examples=["/v1/tags/cat"])
    before: dict[str, Any] | None = Field(examples=[{"name": "cat"}])
    after: dict[str, Any] | None = Field(examples=[{"name": "house cat"}])
    request_id: str | None = Field(examples=["0d3f7c52a1b84e6f9c1d2e3f40516273"])


class AuditPage(Page[AuditRead]):
    """A page of administrative actions, newest first."""
