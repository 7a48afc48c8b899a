"""Adds the gallery to the application."""

from fastapi import FastAPI, Request, Response

from app.core.errors import NotFound
from app.gallery import account_page, router, sign_in_pages, social_pages
from app.gallery.page_rendering import error_page
from app.http.prefix_router import API_PREFIX
from app.http.problems import handle_http_exception
from app.http.requests.header_values import accepts_html


def install_gallery(app: FastAPI) -> None:
    """Serve the pages, the access tokens of their scripts, and their static files."""
    for module in (router, account_page, sign_in_pages, social_pages):
        app.include_router(module.pages)
    for one in (sign_in_pages.scripts, social_pages.scripts, router.files):
        app.include_router(one)
    app.add_exception_handler(404, _handle_unknown_path)


async def _handle_unknown_path(request: Request, error: Exception) -> Response:
    """Show a page to a browser, and return a problem document to other clients."""
    if accepts_html(request) and not request.scope["path"].startswith(f"{API_PREFIX}/"):
        response: Response = error_page(request, NotFound())
    else:
        response = await handle_http_exception(request, error)
    response.headers.add_vary_header("Accept")
    return response
