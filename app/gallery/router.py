"""The pages that show images, the bytes of private images, and the static files."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.staticfiles import StaticFiles
from pydantic import Field

from app.authz import policy
from app.core.pagination import Cursor
from app.core.text.normalization import Text
from app.gallery.dependencies import GalleryDep
from app.gallery.gallery_cookie import Member, Viewer
from app.gallery.page_rendering import SORTS, STATIC, STATIC_VERSION, GalleryRoute, format_total, mark_error, show_page
from app.http.dependencies import ContainerDep
from app.http.paging import PagingDep
from app.images.content.router import ThumbnailSize, read_content, read_thumbnail
from app.images.dependencies import OriginalLocatorDep, ThumbnailsDep
from app.images.trash.router import list_trash
from app.ratelimit.policies import search_charges
from app.search.errors import InvalidQuery
from app.search.language.parser import MAX_LENGTH
from app.search.planning.sort_order import SortOrder
from app.users.dependencies import DeviceDep

DEFAULT_SORT = "-created"
_STATIC = StaticFiles(directory=STATIC)
_QueryText = Annotated[Text, Query(max_length=MAX_LENGTH)]
_SortText = Annotated[Text, Query(max_length=100)]
_FileName = Annotated[Text, Field(max_length=64)]

pages = APIRouter(include_in_schema=False, route_class=GalleryRoute)
files = APIRouter(include_in_schema=False)


@pages.get("/")
async def show_grid(
    request: Request,
    viewer: Viewer,
    gallery: GalleryDep,
    container: ContainerDep,
    device: DeviceDep,
    q: _QueryText = "",
    sort: _SortText = DEFAULT_SORT,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Show a page of the images that match the query."""
    await container.limits.charge(search_charges(container.settings.search_limits, viewer.id, device.address))
    sort = _known_sort(sort)
    try:
        grid = await gallery.find_images(q, sort, cursor or None, viewer)
    except InvalidQuery as error:
        request.state.error_slug = error.slug
        marked = mark_error(q, error.extras.get("position"))
        return show_page(request, "grid.html", viewer, status=error.status, q=q, sort=sort, error=error, marked=marked)
    total = format_total(grid, is_first=not cursor)
    return show_page(request, "grid.html", viewer, q=q, sort=sort, grid=grid, total=total)


@pages.get("/upload")
async def show_upload(request: Request, member: Member) -> Response:
    """Show the form to upload files. Its scripts send them by the API for resumable uploads."""
    return show_page(request, "upload.html", member)


@pages.get("/trash")
async def show_trash(request: Request, member: Member, container: ContainerDep, paging: PagingDep) -> Response:
    """Show a page of the caller's images in the trash."""
    page = await list_trash(policy.require_user(member), member, container, paging)
    return show_page(request, "trash.html", member, images=page.items, next_cursor=page.next_cursor)


@pages.get("/i/{image_id}")
async def show_image(
    request: Request,
    image_id: uuid.UUID,
    viewer: Viewer,
    gallery: GalleryDep,
    container: ContainerDep,
    device: DeviceDep,
    q: _QueryText = "",
    sort: _SortText = DEFAULT_SORT,
) -> Response:
    """Show an image, its tags and its facts, with links to its neighbours in the query."""
    await container.limits.charge(search_charges(container.settings.search_limits, viewer.id, device.address))
    sort = _known_sort(sort)
    view = await gallery.read_image(image_id, q, sort, viewer)
    return show_page(request, "image.html", viewer, view=view, image=view.image, q=q, sort=sort)


@pages.get("/i/{image_id}/thumbnail")
async def show_private_thumbnail(
    request: Request,
    image_id: uuid.UUID,
    member: Member,
    container: ContainerDep,
    thumbnails: ThumbnailsDep,
    size: ThumbnailSize = ThumbnailSize.MEDIUM,
) -> Response:
    """Return a thumbnail to the caller of the cookie. The API serves those of public images, which caches share."""
    return _private(await read_thumbnail(request, image_id, member, container, thumbnails, size))


@pages.get("/i/{image_id}/content")
async def show_private_content(
    request: Request,
    image_id: uuid.UUID,
    member: Member,
    container: ContainerDep,
    originals: OriginalLocatorDep,
    download: Annotated[bool, Query()] = False,
) -> Response:
    """Return an original file to the caller of the cookie."""
    return _private(await read_content(request, image_id, member, container, originals, download=download))


@files.get("/static/{name}")
async def read_static_file(request: Request, name: _FileName) -> Response:
    """Return the present style, script or icon of the gallery. Caches revalidate it by its ETag."""
    response = await _STATIC.get_response(name, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


@files.get("/static/{version}/{name}")
async def read_versioned_file(request: Request, version: _FileName, name: _FileName) -> Response:
    """Return a style, script or icon, which caches keep if it has this version.

    While workers are replaced, a page of a former version receives the present file.
    """
    response = await read_static_file(request, name)
    if version == STATIC_VERSION:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _known_sort(sort: str) -> str:
    """Return the order, or the default one if there is no such order: a link to the gallery does not fail."""
    if sort in SORTS:
        return sort
    try:
        SortOrder(sort)
    except ValueError:
        return DEFAULT_SORT
    return sort


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, max-age=300"
    response.headers["Vary"] = "Cookie"
    return response
