"""`/problems` and `/problems/{slug}`: the pages that the `type` of an error refers to (RFC 9457, 3.1.1)."""

from collections.abc import Iterable
from html import escape

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from app.core.errors import AppError, NotFound, error_types
from app.core.text.normalization import Text
from app.http.links import public_path
from app.http.requests.header_values import accepts_html

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Vary": "Accept",
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


class ProblemType(BaseModel):
    """A problem type. `title` and `description` hold for every error of the type."""

    type: str
    title: str
    status: int
    description: str


class ProblemTypes(BaseModel):
    """All problem types, by status and type."""

    items: list[ProblemType]


def problem_types() -> list[type[AppError]]:
    """Return the class that defines each problem type, ordered by status and slug."""
    classes = {kind.slug: kind for kind in error_types() if "slug" in kind.__dict__}
    return sorted(classes.values(), key=lambda kind: (kind.status, kind.slug))


@router.get("/problems")
async def list_problem_types(request: Request) -> Response:
    """Return all problem types."""
    items = [_read(request, kind) for kind in problem_types()]
    if not accepts_html(request):
        return _json(ProblemTypes(items=items))
    rows = (f'<li><a href="{escape(one.type)}">{escape(one.title)}</a> ({one.status})</li>' for one in items)
    return _html("Problem types", ["<ul>", *rows, "</ul>"])


@router.get("/problems/{slug}")
async def read_problem_type(request: Request, slug: Text) -> Response:
    """Return one problem type. Raises NotFound."""
    kind = next((one for one in problem_types() if one.slug == slug), None)
    if kind is None:
        raise NotFound("There is no problem type with this name.")
    read = _read(request, kind)
    if not accepts_html(request):
        return _json(read)
    status = f"<p>HTTP status: {read.status}</p>"
    back = f'<p><a href="{public_path(request, "/problems")}">All types</a></p>'
    return _html(read.title, [f"<p>{escape(read.description)}</p>", status, back])


def _read(request: Request, kind: type[AppError]) -> ProblemType:
    type_ = public_path(request, f"/problems/{kind.slug}")
    return ProblemType(type=type_, title=kind.title, status=kind.status, description=kind.description)


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), headers=_HEADERS, media_type="application/json")


def _html(title: str, body: Iterable[str]) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), body="\n".join(body)), headers=_HEADERS)
