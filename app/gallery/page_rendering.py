"""Renders the pages of the gallery, and shows errors as pages."""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from app.authz.principal import Principal
from app.core.errors import AppError, TooManyRequests
from app.core.text.byte_sizes import format_bytes
from app.gallery.gallery_cookie import COOKIE, csrf_tokens_of, delete_session_cookie
from app.gallery.image_tiles import file_path, list_tiles, source_set
from app.gallery.service import Grid
from app.http.container import container_of
from app.http.cookies import single_cookie
from app.http.links import public_path
from app.http.problems import status_headers
from app.http.requests.error_page_route import ErrorPageRoute
from app.http.site import NAME
from app.search.language import ast
from app.search.language.ast import format_query

HERE = Path(__file__).parent
STATIC = HERE / "static"
# A part of the path of scripts and styles, which changes with them: browsers keep them without asking again.
STATIC_VERSION = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(STATIC.iterdir()))).hexdigest()[:12]
SORTS = {
    "-created": "Newest first",
    "created": "Oldest first",
    "-taken": "Taken last",
    "name": "Name",
    "-size": "Largest files",
    "-pixels": "Most pixels",
    "-tags": "Most tags",
    "random:1": "Random",
}
# No resource of other hosts, no inline code, no frames. `same-origin` keeps queries out of the Referer of other sites.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Vary": "Cookie",
}


def format_day(moment: datetime) -> str:
    """Return the day of a time, such as `9 March 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def tag_query(name: str) -> str:
    """Return the query that matches exactly this tag."""
    return format_query(ast.Tag(name))


def camera_query(camera: str) -> str:
    """Return the query that matches the images of this camera. A quotation mark, which ends a value, is a wildcard."""
    return format_query(ast.Filter("camera", (camera.replace('"', "*"),)))


def format_images(number: int) -> str:
    """Return a number of images as text."""
    return "1 image" if number == 1 else f"{number:,} images"


def format_total(grid: Grid | None, *, is_first: bool) -> str:
    """Return the number of matches as text. It is exact if the first page has them all."""
    if grid is None:
        return ""
    if is_first and grid.next_cursor is None:
        return format_images(len(grid.page.images))
    count = grid.page.count
    return "" if count is None else f"{'about ' if count.accuracy == 'estimate' else ''}{format_images(count.value)}"


def mark_error(query: str, position: int | None) -> tuple[str, str, str] | None:
    """Return the query in three parts, of which the second starts at the position of an error."""
    if position is None:
        return None
    end = position + max(1, len(query[position:].split(" ", 1)[0]))
    return query[:position], query[position:end] or " ", query[end:]


_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters |= {
    "bytes": format_bytes,
    "images": format_images,
    "day": format_day,
    "tag_query": tag_query,
    "camera_query": camera_query,
    "query_string": urlencode,
}
_TEMPLATES.globals |= {"site_name": NAME, "sorts": SORTS}
_TEMPLATES.globals |= {"tiles": list_tiles, "file_path": file_path, "source_set": source_set}


class GalleryRoute(ErrorPageRoute):
    """Shows errors as pages, redirects to the sign-in page where it is required, and deletes the cookie of an end."""

    def show_error(self, request: Request, error: AppError) -> Response:
        """Return the page of an error."""
        return error_page(request, error)

    def ask_for_sign_in(self, request: Request) -> Response:
        """Return a redirect to the sign-in page."""
        return redirect_to_sign_in(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which deletes the cookie of a session that has ended."""
        handle = super().get_route_handler()

        async def without_ended_cookie(request: Request) -> Response:
            response = await handle(request)
            if getattr(request.state, "has_ended", False):
                delete_session_cookie(response, request)
            return response

        return without_ended_cookie


def show_page(
    request: Request,
    template: str,
    viewer: Principal,
    /,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page. Pages of a signed-in caller are not stored."""
    csrf = ""
    if viewer.session_id is not None:
        csrf = csrf_tokens_of(container_of(request)).issue(viewer.session_id)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    prefix = public_path(request, "")
    html = _TEMPLATES.get_template(template).render(
        prefix=prefix,
        static=f"{prefix}/static/{STATIC_VERSION}",
        viewer=viewer,
        csrf_token=csrf,
        here=here,
        **values,
    )
    caching = {"Cache-Control": "no-store" if single_cookie(request, COOKIE) else "private, no-cache"}
    return HTMLResponse(html, status, {**_HEADERS, **caching, **(headers or {})})


def error_page(request: Request, error: AppError) -> HTMLResponse:
    """Return the page of an error, with the headers that its problem document has for its status."""
    request.state.error_slug = error.slug
    return show_page(
        request,
        "error.html",
        getattr(request.state, "viewer", Principal()),
        status=error.status,
        headers=status_headers(error),
        error=error,
        request_id=request.state.request_id,
    )


def refusal(request: Request, error: AppError) -> dict[str, Any]:
    """Return the status, the headers and the notice of a form that an error has refused."""
    request.state.error_slug = error.slug
    if isinstance(error, TooManyRequests):
        notice = f"Too many attempts. Try again in {error.retry_after} s."
        return {"status": error.status, "headers": {"Retry-After": str(error.retry_after)}, "notice": notice}
    return {"status": error.status, "notice": error.detail}


def redirect(request: Request, path: str) -> RedirectResponse:
    """Return a redirect to a path of this service, which the browser requests with GET."""
    return RedirectResponse(public_path(request, path), 303, {"Cache-Control": "no-store"})


def redirect_to_sign_in(request: Request) -> RedirectResponse:
    """Return a redirect to the sign-in page, which leads back to the requested page."""
    back = request.url.path if request.method == "GET" else "/"
    return redirect(request, f"/sign-in?next={quote(back, safe='')}")
