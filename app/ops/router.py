"""Endpoints for operators: the request log, its statistics, and the audit trail."""

from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query, Request, Response

from app.core.errors import InvalidCursor, QueryTimeout
from app.core.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.core.text.timestamps import Timestamp
from app.http.dependencies import CursorsDep
from app.http.links import add_next_link
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.ops.audit_cursors import AuditCursors
from app.ops.dependencies import AuditFilterDep, AuditReader, LogFilterDep, RequestLogDep, time_range
from app.ops.errors import TelemetryNotReadable, too_many_points
from app.ops.schemas import AuditPage, AuditRead, MetricsPoint, MetricsSeries, RequestPage, RequestRead
from app.telemetry.log_queries import GroupBy, list_metrics, list_requests
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import get_admin

MAX_POINTS = 5000
DEFAULT_METRICS_HOURS = 1

router = PrefixRouter(
    prefix="/ops", tags=["operations"], dependencies=[Depends(get_admin)], route_class=AuthenticatedRoute
)


@router.get(
    "/requests",
    summary="List recorded requests",
    responses=problems(InvalidCursor, TelemetryNotReadable, QueryTimeout),
)
async def list_recorded_requests(
    request: Request,
    response: Response,
    log: RequestLogDep,
    wanted: LogFilterDep,
    cursors: CursorsDep,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[Cursor, Query()] = None,
) -> RequestPage:
    """Return a page of request records, newest first. Admins only.

    A record appears about two seconds after its request. After an outage of MongoDB, older records appear later.
    """
    # Without the times: their defaults change with the clock, and the position is sufficient.
    fingerprint = f"requests {astuple(wanted)[2:]!r}"
    position = cursors.decode(cursor, fingerprint) if cursor is not None else None
    after = (datetime.fromisoformat(position[0]), position[1]) if position else None
    rows = await list_requests(log, wanted, after, limit + 1)
    page = RequestPage(items=[RequestRead.of(row) for row in rows[:limit]])
    if len(rows) > limit:
        last = page.items[-1]
        page.next_cursor = cursors.encode([last.time.isoformat(), last.event_id], fingerprint)
        add_next_link(request, response, page.next_cursor)
    return page


@router.get(
    "/metrics",
    summary="Get request metrics",
    responses=problems(TelemetryNotReadable, QueryTimeout),
)
async def list_request_metrics(
    log: RequestLogDep,
    since: Annotated[
        Timestamp | None, Query(description="The start of the period. Default: an hour before `until`")
    ] = None,
    until: Annotated[Timestamp | None, Query(description="The end of the period. Default: now")] = None,
    step: Annotated[
        int, Query(ge=60, le=86_400, multiple_of=60, description="The length of a step in seconds, a multiple of 60")
    ] = 60,
    group_by: Annotated[
        GroupBy, Query(description="The property to group by; `status` groups by class, such as 2xx")
    ] = "route",
) -> MetricsSeries:
    """Return a time series for each group, summed over all workers. Admins only."""
    start, end = time_range(since, until, timedelta(hours=DEFAULT_METRICS_HOURS))
    points = await list_metrics(log, start, end, step // 60, group_by, MAX_POINTS + 1)
    if len(points) > MAX_POINTS:
        raise too_many_points(MAX_POINTS)
    return MetricsSeries(items=[MetricsPoint.of(point) for point in points])


@router.get("/audit", summary="List administrative actions", responses=problems(InvalidCursor))
async def list_audit_events(
    request: Request,
    response: Response,
    audit: AuditReader,
    wanted: AuditFilterDep,
    cursors: CursorsDep,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[Cursor, Query()] = None,
) -> AuditPage:
    """Return a page of administrative actions, newest first. Admins only.

    An event is written in the transaction of its action, so the list has exactly the actions that took effect. Events
    are kept until an operator deletes them.
    """
    positions = AuditCursors(cursors, wanted)
    rows = await audit.list_newest(wanted, positions.read(cursor), limit + 1)
    page = AuditPage(items=[AuditRead.model_validate(row) for row in rows[:limit]])
    if len(rows) > limit:
        page.next_cursor = positions.encode(rows[limit - 1])
        add_next_link(request, response, page.next_cursor)
    return page
