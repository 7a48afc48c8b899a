"""The operators' HTML pages, and the live data that the dashboard's script fetches."""

import uuid
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic import AwareDatetime, Field

from app.core.errors import AppError, NotFound, TooManyRequests, ValidationFailed
from app.core.pagination import Cursor
from app.core.text.byte_sizes import format_bytes
from app.core.text.normalization import Text
from app.http.container import Container
from app.http.cookies import single_cookie
from app.http.dependencies import ContainerDep
from app.http.links import public_path
from app.http.problems import status_headers
from app.http.requests.error_page_route import ErrorPageRoute
from app.http.requests.same_origin import require_same_origin
from app.models import AuditAction, User
from app.ops.audit_cursors import AuditCursors
from app.ops.dashboard import WINDOWS, DashboardData, WindowMinutes, load_dashboard
from app.ops.dependencies import AuditDaysDep, AuditReader, LogFilterDep, RequestLogDep, time_range
from app.ops.errors import readable_error
from app.ops.schemas import RequestRead
from app.ops.session_cookie import COOKIE, PATH, Operator, OperatorSessionsDep, set_cookie
from app.ops.statistics.service_report import load_report
from app.ops.statistics.statistics_refresh import StatisticsRefresh
from app.telemetry.errors import TelemetryError
from app.telemetry.log_queries import find_request, list_requests
from app.users.accounts.field_types import CurrentPassword
from app.users.accounts.repository import UserRepository
from app.users.dependencies import DeviceDep

_HERE = Path(__file__).parent
_STATIC = StaticFiles(directory=_HERE / "static")
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["bytes"] = format_bytes
_TEMPLATES.filters["milliseconds"] = lambda value: None if value is None else f"{value:,.1f} ms"
MAX_ROWS = 100
_Name = Annotated[Text, Field(max_length=64)]
# No resource of other hosts, no inline code, no frames. `no-referrer` would set the forms' Origin to "null".
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_FILTERS = ("route", "method", "status", "user_id", "request_id", "min_ms", "since", "until")
_AUDIT_FILTERS = ("action", "actor", "since", "until")


class PageRoute(ErrorPageRoute):
    """Shows errors as pages, and redirects unauthenticated requests to the login form."""

    def show_error(self, request: Request, error: AppError) -> Response:
        """Return the page of an error."""
        return _error_page(request, error)

    def ask_for_sign_in(self, request: Request) -> Response:
        """Return a redirect to the login form."""
        ended = "?ended=1" if single_cookie(request, COOKIE) else ""
        return _redirect(request, f"{PATH}/login{ended}")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which first removes the blank fields of a form."""
        handle = super().get_route_handler()

        async def without_blanks(request: Request) -> Response:
            if url := _without_blanks(request):
                return _redirect(request, url)
            try:
                return await handle(request)
            except TelemetryError as error:
                return _error_page(request, readable_error(error))

        return without_blanks


pages = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)
live = APIRouter(prefix=PATH, include_in_schema=False)
# Included last, because it matches every other path.
unknown = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)


@pages.get("")
async def show_dashboard(request: Request, operator: Operator) -> Response:
    """Show the live charts and lists."""
    return _page(request, "dashboard.html", operator=operator, windows=WINDOWS)


@pages.get("/login")
async def show_login(request: Request) -> Response:
    """Show the login form."""
    ended = "Your session has ended. Sign in again." if "ended" in request.query_params else None
    return _page(request, "login.html", notice=ended)


@pages.post("/login", dependencies=[Depends(require_same_origin)])
async def sign_in(
    request: Request,
    sessions: OperatorSessionsDep,
    device: DeviceDep,
    email: Annotated[Text, Form(max_length=320)],
    password: Annotated[CurrentPassword, Form()],
) -> Response:
    """Redirect an admin to the dashboard; otherwise, show the form again with the reason."""
    try:
        token = await sessions.sign_in(email, password, device)
    except AppError as error:
        request.state.error_slug = error.slug
        notice = error.detail
        if isinstance(error, TooManyRequests):
            notice = f"Too many attempts. Try again in {error.retry_after} s."
        return _page(request, "login.html", error.status, status_headers(error), notice=notice, email=email)
    response = _redirect(request, PATH)
    set_cookie(response, request, token)
    return response


@pages.post("/logout", dependencies=[Depends(require_same_origin)])
async def sign_out(request: Request, sessions: OperatorSessionsDep) -> Response:
    """End the session, and delete its cookie."""
    await sessions.end(single_cookie(request, COOKIE))
    response = _redirect(request, f"{PATH}/login")
    response.delete_cookie(COOKIE, path=public_path(request, PATH))
    return response


@pages.get("/requests")
async def show_requests(
    request: Request,
    operator: Operator,
    log: RequestLogDep,
    wanted: LogFilterDep,
    own: Annotated[bool, Query()] = False,
) -> Response:
    """Show a list of the newest matching request records."""
    found = await list_requests(log, replace(wanted, without_own=not own), None, MAX_ROWS)
    rows = [RequestRead.of(row) for row in found]
    filters = _filters_of(request, _FILTERS)
    return _page(request, "requests.html", operator=operator, rows=rows, filters=filters, own=own, limit=MAX_ROWS)


@pages.get("/requests/{event_id}")
async def show_request(
    request: Request,
    operator: Operator,
    log: RequestLogDep,
    container: ContainerDep,
    event_id: _Name,
    time: AwareDatetime,
) -> Response:
    """Show the record of one request."""
    moment, _ = time_range(time, time, timedelta())
    found = await find_request(log, event_id, moment)
    if found is None:
        raise NotFound("There is no record of this request, or it has expired")
    row = RequestRead.of(found)
    return _page(request, "request.html", operator=operator, row=row, email=await _find_email(container, row.user_id))


@pages.get("/service")
async def show_service(
    request: Request,
    operator: Operator,
    container: ContainerDep,
    minutes: Annotated[WindowMinutes, Query()] = WindowMinutes.HOUR,
) -> Response:
    """Show the stored data, the versions, the workers, and the largest and the busiest accounts."""
    report = await load_report(container, minutes)
    statistics: StatisticsRefresh = request.state.statistics
    values = {"report": report, "statistics": statistics.latest, "windows": WINDOWS, "minutes": minutes}
    return _page(request, "service.html", operator=operator, **values)


@pages.get("/audit")
async def show_audit(
    request: Request,
    operator: Operator,
    audit: AuditReader,
    wanted: AuditDaysDep,
    container: ContainerDep,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Show a list of the newest matching administrative actions, with a link to older ones."""
    positions = AuditCursors(container.cursors, wanted)
    rows = await audit.list_newest(wanted, positions.read(cursor), MAX_ROWS + 1)
    shown, filters = rows[:MAX_ROWS], _filters_of(request, _AUDIT_FILTERS)
    older = None
    if len(rows) > MAX_ROWS:
        given = {name: value for name, value in filters.items() if value}
        older = urlencode({**given, "cursor": positions.encode(shown[-1])})
    return _page(
        request,
        "audit.html",
        operator=operator,
        rows=shown,
        older=older,
        filters=filters,
        actions=list(AuditAction),
        emails=await _list_emails(container, {row.actor for row in shown if row.actor}),
    )


async def _list_emails(container: Container, accounts: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the addresses of those accounts that still exist."""
    async with container.database.read_session() as session:
        return await UserRepository(session).list_emails(accounts)


async def _find_email(container: Container, user_id: str | None) -> str | None:
    """Return the address of an account; None if it was deleted or PostgreSQL does not respond."""
    if user_id is None:
        return None
    # A setting records personal data as a digest, which is not an id.
    with suppress(AppError, ValueError):
        async with container.database.read_session() as session:
            user = await session.get(User, uuid.UUID(user_id))
            return user.email if user else None
    return None


@live.get("/live")
async def look_live(
    response: Response,
    _operator: Operator,
    log: RequestLogDep,
    minutes: Annotated[WindowMinutes, Query()] = WindowMinutes.HOUR,
    route: Annotated[Text | None, Query(max_length=300)] = None,
    own: Annotated[bool, Query()] = False,
    with_4xx: Annotated[bool, Query()] = False,
) -> DashboardData:
    """Return the data of the dashboard."""
    response.headers["Cache-Control"] = "no-store"
    return await load_dashboard(log, minutes, route, own=own, with_4xx=with_4xx)


@live.get("/static/{name}")
async def read_static(request: Request, name: _Name) -> Response:
    """Return the style, a script or the icon."""
    response = await _STATIC.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"  # revalidated by ETag, so that scripts match the pages
    return response


@unknown.get("/{path:path}")  # noqa: FAST003 - the path is not used
async def refuse_unknown_path() -> Response:
    """Show the error page of an unknown path. Raises NotFound."""
    raise NotFound


def install_pages(app: FastAPI) -> None:
    """Serve the pages, their data and their static files."""
    app.include_router(pages)
    app.include_router(live)
    app.include_router(unknown)


def _page(
    request: Request, template: str, status: int = 200, headers: dict[str, str] | None = None, /, **values: Any
) -> HTMLResponse:
    html = _TEMPLATES.get_template(template).render(prefix=public_path(request, ""), **values)
    return HTMLResponse(html, status, {**_HEADERS, **(headers or {})})


def _filters_of(request: Request, names: Collection[str]) -> dict[str, str]:
    return {name: request.query_params.get(name, "") for name in names}


def _error_page(request: Request, error: AppError) -> HTMLResponse:
    """Return the page of an error. An invalid filter is shown in its form."""
    request.state.error_slug = error.slug
    if isinstance(error, ValidationFailed) and request.url.path == f"{PATH}/requests":
        form = {"filters": _filters_of(request, _FILTERS), "own": request.query_params.get("own") == "true"}
        return _page(request, "requests.html", error.status, rows=[], notice=error.detail, **form)
    if isinstance(error, ValidationFailed) and request.url.path == f"{PATH}/audit":
        filters = _filters_of(request, _AUDIT_FILTERS)
        values = {"filters": filters, "rows": [], "actions": list(AuditAction), "notice": error.detail}
        return _page(request, "audit.html", error.status, **values)
    return _page(
        request, "error.html", error.status, status_headers(error), error=error, request_id=request.state.request_id
    )


def _without_blanks(request: Request) -> str | None:
    """Return the URL without the blank fields of a form; None if no field is blank."""
    given = request.query_params.multi_items()
    filled = [(name, value) for name, value in given if value]
    if len(filled) == len(given):
        return None
    return f"{request.url.path}?{urlencode(filled)}" if filled else request.url.path


def _redirect(request: Request, path: str) -> RedirectResponse:
    return RedirectResponse(public_path(request, path), 303, {"Cache-Control": "no-store"})
