import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from app.core.errors import (
    Forbidden,
    ImageNotFound,
    ImageTooLarge,
    InvalidImage,
    InvalidToken,
    NameTaken,
    PayloadTooLarge,
    StorageUnavailable,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.http.conditional import entity_response, matches
from app.http.dependencies import ServicesDep, SettingsDep
from app.http.multipart import MultipartStream
from app.http.problems import problems
from app.images.body import read_body
from app.images.content import content_headers, open_content
from app.images.dependencies import ImageServiceDep, ImagesReader, Uploader
from app.images.repository import ImageRepository
from app.images.schemas import ImageLinks, ImageRead
from app.models import Image
from app.tags.dependencies import TagsReader
from app.users.dependencies import CurrentUser, ViewerDep

router = APIRouter(prefix="/images", tags=["images"])

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF or AVIF"},
                        "tags": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Repeatable; each may hold several, comma-separated",
                        },
                        "visibility": {"type": "string", "enum": ["public", "private"], "default": "public"},
                    },
                },
                "encoding": {"tags": {"style": "form", "explode": True}},
            }
        },
    }
}
BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes",
        "content": {kind: {} for kind in ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")},
    },
    304: {"description": "The client has them already"},
}


@router.post(
    "",
    status_code=201,
    summary="Upload an image",
    openapi_extra=UPLOAD_FORM,
    responses=problems(
        Unauthenticated,
        InvalidToken,
        NameTaken,
        PayloadTooLarge,
        UnsupportedMediaType,
        InvalidImage,
        ImageTooLarge,
        ValidationFailed,
        StorageUnavailable,
    ),
)
async def upload_image(
    request: Request, response: Response, viewer: Uploader, service: ImageServiceDep, settings: SettingsDep
) -> ImageRead:
    """Store an image with its tags. Fields may stand before or after the file; the file's name must be new."""
    body = read_body(request, settings.upload_idle_seconds)
    form = MultipartStream(request.headers.get("content-type", ""), body)
    image, tags = await service.upload(form, viewer)
    read = to_read(image, tags)
    response.headers["Location"] = read.links.self
    return read


@router.get(
    "/{image_id}",
    summary="Read one image",
    response_model=ImageRead,
    responses={304: {"description": "The client has it already"}, **problems(ImageNotFound)},
)
async def read_image(
    request: Request, image_id: uuid.UUID, viewer: ViewerDep, images: ImagesReader, tags: TagsReader
) -> Response:
    """Return what is known about an image. A private one is there for its owner and the admins only."""
    image = await images.get_visible(image_id, viewer)
    names = await tags.names_of([image.id])
    return entity_response(request, to_read(image, names[image.id]))


@router.get(
    "/{image_id}/content",
    summary="Fetch the bytes",
    response_class=StreamingResponse,
    responses={**BYTES, **problems(ImageNotFound, StorageUnavailable)},
)
async def read_content(
    request: Request,
    image_id: uuid.UUID,
    viewer: ViewerDep,
    services: ServicesDep,
    download: Annotated[bool, Query(description="Ask the browser to save it")] = False,
) -> Response:
    """Stream the original from the object store."""
    # A read of its own, over before the store is asked: no connection is held while bytes move.
    async with services.database.reader() as session:
        image = await ImageRepository(session).get_visible(image_id, viewer)
    headers = content_headers(image, download=download)
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(image.size)
    if getattr(request.state, "is_head", False):
        return Response(headers=headers, media_type=image.content_type)
    chunks = await open_content(services.object_store, image)
    return StreamingResponse(chunks, headers=headers, media_type=image.content_type)


@router.delete(
    "/{image_id}",
    status_code=204,
    summary="Delete an image",
    responses=problems(Unauthenticated, InvalidToken, Forbidden, ImageNotFound),
)
async def delete_image(image_id: uuid.UUID, _user: CurrentUser, viewer: ViewerDep, service: ImageServiceDep) -> None:
    """Delete the image and its objects. Its owner and the admins may."""
    await service.delete(image_id, viewer)


def to_read(image: Image, tags: list[str]) -> ImageRead:
    """Shape an image for the wire."""
    path = f"/v1/images/{image.id}"
    return ImageRead(
        id=image.id,
        name=image.name,
        content_type=image.content_type,
        size=image.size,
        width=image.width,
        height=image.height,
        sha256=image.sha256.hex(),
        visibility=image.visibility,
        tags=tags,
        uploaded_by=image.uploaded_by,
        created_at=image.created_at,
        links=ImageLinks(self=path, content=f"{path}/content", thumbnail=f"{path}/thumbnail"),
    )
