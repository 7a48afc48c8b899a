"""The bytes of images: originals, thumbnails, and URLs of the object store."""

import uuid
from datetime import timedelta
from enum import IntEnum
from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from app.authz.principal import Principal
from app.core.errors import PreconditionFailed, RangeNotSatisfiable, StorageUnavailable, TooManyConcurrentRequests
from app.db.base import utc_now
from app.http.container import Container
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, check_preconditions
from app.images.content.content_response import (
    content_disposition,
    content_response,
    respond,
    thumbnail_headers,
)
from app.images.content.thumbnails import CONTENT_TYPE
from app.images.dependencies import OriginalLocatorDep, ThumbnailsDep
from app.images.errors import ImageNotFound
from app.images.repository import ImageRepository
from app.images.schemas import ImageUrl
from app.images.storage_keys import THUMBNAIL_VERSION
from app.media.decoder_pool import MEDIA_TYPES
from app.media.errors import DecodersBusy, DecodersUnavailable, ImageTooLarge, InvalidImage
from app.models import Image
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)


class ThumbnailSize(IntEnum):
    """The longest side of a thumbnail in pixels."""

    SMALL = 160
    MEDIUM = 320
    LARGE = 640
    EXTRA_LARGE = 1280


def _bytes(*kinds: str) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": "The image file.", "content": dict.fromkeys(kinds, schema)}, **NOT_MODIFIED}


@router.get(
    "/{image_id}/content",
    summary="Get the content of an image",
    response_class=StreamingResponse,
    responses={
        **_bytes(*MEDIA_TYPES),
        206: {"description": "The requested range of the file."},
        **problems(ImageNotFound, PreconditionFailed, RangeNotSatisfiable, InvalidImage, StorageUnavailable),
    },
)
async def read_content(
    request: Request,
    image_id: uuid.UUID,
    principal: PrincipalDep,
    container: ContainerDep,
    originals: OriginalLocatorDep,
    download: Annotated[
        bool, Query(description="Whether the browser saves the file instead of displaying it", examples=[True])
    ] = False,
) -> Response:
    """Return the original file. A single range is supported; a request for several ranges returns the whole file.

    With `STRIP_METADATA`, the service removes EXIF, GPS, XMP, IPTC and comments from JPEG, PNG and WebP. The pixels do
    not change. Length and entity tag then differ from `size` and `sha256`, which describe the stored file.
    """
    image = await _find(container, image_id, principal)
    return await content_response(request, container.object_store, originals, image, download=download)


@router.get(
    "/{image_id}/thumbnail",
    summary="Get a thumbnail",
    response_class=StreamingResponse,
    responses={
        **_bytes(CONTENT_TYPE),
        **problems(
            ImageNotFound,
            PreconditionFailed,
            InvalidImage,
            ImageTooLarge,
            TooManyConcurrentRequests,
            StorageUnavailable,
            DecodersUnavailable,
            DecodersBusy,
        ),
    },
)
async def read_thumbnail(
    request: Request,
    image_id: uuid.UUID,
    principal: PrincipalDep,
    container: ContainerDep,
    thumbnails: ThumbnailsDep,
    size: Annotated[ThumbnailSize, Query(description="The longest side in pixels")] = ThumbnailSize.MEDIUM,
) -> Response:
    """Return the image as WebP, scaled down to fit into a square of `size` pixels, upright and without metadata.

    Browsers can cache it for a year. Shared caches revalidate after five minutes, because its visibility can change.
    """
    image = await _find(container, image_id, principal)
    headers = thumbnail_headers(image, size, THUMBNAIL_VERSION)
    if check_preconditions(request.headers, headers["ETag"], image.created_at):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = CONTENT_TYPE
    return await respond(thumbnails.open(image, size), headers)


@router.get(
    "/{image_id}/url",
    summary="Create a pre-signed URL",
    responses=problems(ImageNotFound, InvalidImage, StorageUnavailable),
)
async def make_image_url(
    response: Response,
    image_id: uuid.UUID,
    principal: PrincipalDep,
    container: ContainerDep,
    originals: OriginalLocatorDep,
    expires_in: Annotated[
        int, Query(ge=60, le=3600, description="The lifetime of the URL in seconds", examples=[300])
    ] = 300,
) -> ImageUrl:
    """Return a URL of the file in the object store that needs no credentials.

    The URL is valid until `expires_at` and cannot be revoked. It continues to work if the image becomes private, and if
    the account that requested it signs out, changes its password or is deleted.
    """
    image = await _find(container, image_id, principal)
    source = await originals.find(image)
    lifetime = timedelta(seconds=expires_in)
    expires_at = utc_now() + lifetime
    response_headers = {
        "response-content-type": image.content_type,
        "response-content-disposition": content_disposition(image.name, download=False),
    }
    url = await container.object_store.presign(source.storage_key, lifetime, response_headers)
    response.headers["Cache-Control"] = "private, no-store"
    return ImageUrl(url=url, expires_at=expires_at)


async def _find(container: Container, image_id: uuid.UUID, principal: Principal) -> Image:
    # A read of its own, over before the store is asked: no connection is held while bytes move.
    async with container.database.read_session() as session:
        return await ImageRepository(session).get_visible(image_id, principal)
