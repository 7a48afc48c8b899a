"""The resources that browsers, crawlers and operators expect: `/`, `/favicon.ico`, `/robots.txt`, `/version`."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, Field

from app import VERSION
from app.core.errors import NotFound
from app.db.base import utc_now
from app.http.container import container_of
from app.http.links import public_path

router = APIRouter()
# The page at `/` of a service without the gallery.
home_router = APIRouter()

NAME = "Image-Tagged-System"
_CHANGING = {"Cache-Control": "no-cache"}
_DAY = {"Cache-Control": "public, max-age=86400"}
_ICON = Path(__file__).with_name("favicon.ico").read_bytes()
_ROBOTS = "User-agent: *\nDisallow: {prefix}/v1/\nDisallow: {prefix}/ops\n"
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{NAME}</title>
</head>
<body>
<main>
<h1>{NAME}</h1>
<p>This service stores images and finds them by their tags.</p>
<ul>
<li><a href="{{prefix}}/docs">API documentation</a></li>
<li><a href="{{prefix}}/v1/images">The newest images, as JSON</a></li>
<li><a href="{{prefix}}/problems">Errors and their meaning</a></li>
<li><a href="{{prefix}}/ops">Operations, for administrators</a></li>
</ul>
</main>
</body>
</html>
"""


class Version(BaseModel):
    """The version of the service."""

    name: str = Field(examples=[NAME])
    version: str = Field(examples=[VERSION])
    api: Literal["v1"]


@router.get("/version", tags=["operations"], summary="Get the version")
async def read_version(response: Response) -> Version:
    """Return the version of the service and of its API."""
    response.headers.update(_CHANGING)
    return Version(name=NAME, version=VERSION, api="v1")


@home_router.get("/", include_in_schema=False)
async def show_home_page(request: Request) -> Response:
    """Return a small page that links to the documentation."""
    policy = "default-src 'none'; img-src 'self'; frame-ancestors 'none'"
    html = _PAGE.format(prefix=public_path(request, ""))
    return HTMLResponse(html, headers={**_CHANGING, "Content-Security-Policy": policy})


@router.get("/favicon.ico", include_in_schema=False)
async def read_favicon() -> Response:
    """Return the icon of the site."""
    return Response(_ICON, media_type="image/x-icon", headers=_DAY)


@router.get("/.well-known/security.txt", include_in_schema=False)
async def read_security_contact(request: Request) -> Response:
    """Return the address for reports of vulnerabilities (RFC 9116). Raises NotFound if none is set."""
    contact = container_of(request).settings.security_contact
    if not contact:
        raise NotFound
    expires = utc_now().replace(microsecond=0) + timedelta(days=180)
    text = f"Contact: {contact}\nExpires: {expires:%Y-%m-%dT%H:%M:%SZ}\nPreferred-Languages: en\n"
    return PlainTextResponse(text, headers=_CHANGING)


@router.get("/robots.txt", include_in_schema=False)
async def read_robots(request: Request) -> Response:
    """Return the paths that crawlers should not fetch."""
    return PlainTextResponse(_ROBOTS.format(prefix=public_path(request, "")), headers=_DAY)
