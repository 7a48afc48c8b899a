"""Dependencies of the operators' endpoints: the request log, its filter, and time ranges."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field

from app.audit.repository import AuditFilter, AuditRepository
from app.core.errors import ValidationFailed
from app.core.text.normalization import Text, matches
from app.core.text.timestamps import Timestamp
from app.http.dependencies import ContainerDep, ReaderDep
from app.models import AuditAction
from app.ops.errors import readable_error
from app.telemetry.errors import TelemetryError
from app.telemetry.log_queries import LogFilter
from app.telemetry.mongo_store import RequestLog

DEFAULT_LOG_HOURS = 24
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Status = Annotated[
    str,
    Field(max_length=64),
    matches("[1-5]([0-9][0-9]|xx)", "The status must be a number from 100 to 599, or a class such as 5xx."),
    Field(json_schema_extra={"pattern": "^[1-5]([0-9][0-9]|xx)$"}),
]


async def get_request_log(container: ContainerDep) -> AsyncIterator[RequestLog]:
    """Yield the request log, and translate its errors. Raises TelemetryNotReadable, QueryTimeout."""
    try:
        yield container.recorder.log
    except TelemetryError as error:
        raise readable_error(error) from error


async def get_log_filter(
    since: Annotated[
        Timestamp | None, Query(description="The start of the period. Default: 24 hours before `until`")
    ] = None,
    until: Annotated[Timestamp | None, Query(description="The end of the period. Default: now")] = None,
    route: Annotated[
        Text | None,
        Query(min_length=1, max_length=256, description="A route template", examples=["/v1/images/{image_id}"]),
    ] = None,
    method: Annotated[
        Text | None, Query(min_length=1, max_length=16, description="A request method", examples=["GET"])
    ] = None,
    status: Annotated[Status | None, Query(description="A status or a class of statuses", examples=["5xx"])] = None,
    user_id: Annotated[Text | None, Query(min_length=1, max_length=64, description="The id of an account")] = None,
    request_id: Annotated[Text | None, Query(min_length=1, max_length=64, description="The id of a request")] = None,
    min_ms: Annotated[float | None, Query(ge=0, le=1e9, description="The minimum duration in milliseconds")] = None,
) -> LogFilter:
    """Return the filter of the request log."""
    start, end = time_range(since, until, timedelta(hours=DEFAULT_LOG_HOURS))
    return LogFilter(
        since=start,
        until=end,
        route=route,
        method=method,
        status=status,
        user_id=user_id,
        request_id=request_id,
        min_ms=min_ms,
    )


async def get_audit_reader(session: ReaderDep) -> AuditRepository:
    return AuditRepository(session)


async def get_audit_filter(
    since: Annotated[Timestamp | None, Query(description="The start of the period. Default: the first event")] = None,
    until: Annotated[Timestamp | None, Query(description="The end of the period. Default: now")] = None,
    actor: Annotated[uuid.UUID | None, Query(description="The id of the account that acted")] = None,
    action: Annotated[AuditAction | None, Query(description="The kind of action", examples=["tag.merge"])] = None,
) -> AuditFilter:
    """Return the filter of the audit trail. Raises ValidationFailed."""
    start, end = time_range(since or FIRST, until or LAST, timedelta())
    return AuditFilter(start, end, actor, action)


async def get_audit_days(
    since: Annotated[date | None, Query()] = None,
    until: Annotated[date | None, Query()] = None,
    actor: Annotated[uuid.UUID | None, Query()] = None,
    action: Annotated[AuditAction | None, Query()] = None,
) -> AuditFilter:
    """Return the filter of the page of the audit trail, whose periods are days in UTC. Raises ValidationFailed."""
    first = datetime.combine(since, time.min, UTC) if since else None
    last = datetime.combine(until, time.max, UTC) if until else None
    return await get_audit_filter(first, last, actor, action)


def time_range(since: datetime | None, until: datetime | None, span: timedelta) -> tuple[datetime, datetime]:
    """Return start and end in UTC. The default start is `span` before the end. Raises ValidationFailed."""
    try:
        end = until.astimezone(UTC) if until else datetime.now(UTC)
        start = since.astimezone(UTC) if since else end - span
    except OverflowError as error:
        raise ValidationFailed.at(["query", "since"], "The time is outside of the supported range.") from error
    if start > end:
        raise ValidationFailed.at(["query", "since"], "The time must not be after `until`.")
    return start, end


AuditReader = Annotated[AuditRepository, Depends(get_audit_reader)]
AuditFilterDep = Annotated[AuditFilter, Depends(get_audit_filter)]
AuditDaysDep = Annotated[AuditFilter, Depends(get_audit_days)]
RequestLogDep = Annotated[RequestLog, Depends(get_request_log, scope="function")]
LogFilterDep = Annotated[LogFilter, Depends(get_log_filter)]
