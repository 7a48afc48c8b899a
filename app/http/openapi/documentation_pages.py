"""`/openapi.json`, `/docs` and `/redoc`. The pages load nothing from other hosts."""

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from app.http.requests.conditional import matches, tag_of

_FILES = Path(fastapi_offline.__file__).parent / "static"
_STATIC = "/static-offline-docs"
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# The logo that ReDoc's script would load. Without it, the page shows no logo.
_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
# Both pages set styles inline, and ReDoc searches in a worker.
_POLICY = (
    "default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def install_documentation(app: FastAPI, path_prefix: str) -> None:
    """Serve the OpenAPI document and the pages that show it. Their links begin with the prefix."""
    static = path_prefix + _STATIC
    router = APIRouter(include_in_schema=False)

    @cache
    def document() -> Response:
        body = json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
        return Response(
            body, headers={"ETag": tag_of(body), "Cache-Control": "no-cache"}, media_type="application/json"
        )

    @router.get("/openapi.json")
    async def read_openapi(request: Request) -> Response:
        return _conditional(request, document())

    @router.get("/docs")
    async def show_swagger() -> Response:
        return _page(
            get_swagger_ui_html(
                openapi_url=f"{path_prefix}/openapi.json",
                title=f"{app.title} - Swagger UI",
                oauth2_redirect_url=f"{path_prefix}/docs/oauth2-redirect",
                swagger_js_url=f"{static}/swagger-ui-bundle.js",
                swagger_css_url=f"{static}/swagger-ui.css",
                swagger_favicon_url=f"{static}/favicon.png",
            )
        )

    @router.get("/docs/oauth2-redirect")
    async def redirect_swagger() -> Response:
        return _page(get_swagger_ui_oauth2_redirect_html())

    @router.get("/redoc")
    async def show_redoc() -> Response:
        return _page(
            get_redoc_html(
                openapi_url=f"{path_prefix}/openapi.json",
                title=f"{app.title} - ReDoc",
                redoc_js_url=f"{static}/redoc.standalone.js",
                with_google_fonts=False,
                redoc_favicon_url=f"{static}/favicon.png",
            )
        )

    @router.get(f"{_STATIC}/redoc.standalone.js")
    async def read_redoc_script(request: Request) -> Response:
        return _conditional(request, _redoc_script())

    app.include_router(router)
    app.mount(_STATIC, StaticFiles(directory=_FILES), name="static-offline-docs")


@cache
def _redoc_script() -> Response:
    body = (_FILES / "redoc.standalone.js").read_bytes().replace(_LOGO, b"data:,")
    return _tagged(body, "text/javascript")


def _tagged(body: bytes, media_type: str) -> Response:
    return Response(body, headers={"ETag": tag_of(body), "Cache-Control": "no-cache"}, media_type=media_type)


def _conditional(request: Request, response: Response) -> Response:
    kept = {name: response.headers[name] for name in ("ETag", "Cache-Control")}
    if matches(request.headers.get("if-none-match"), response.headers["ETag"]):
        return Response(status_code=304, headers=kept)
    return Response(response.body, headers=kept, media_type=response.media_type)


def _page(page: HTMLResponse) -> Response:
    """Return the page with a policy that allows only its own inline scripts, by their digests."""
    html = bytes(page.body).decode()
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _INLINE_SCRIPT.findall(html)]
    hashes = "".join(f" 'sha256-{digest}'" for digest in digests)
    headers = {"Content-Security-Policy": _POLICY.format(hashes=hashes), "Cache-Control": "no-cache"}
    return HTMLResponse(html, headers=headers)
