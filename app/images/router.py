"""Endpoints to upload, read, change and delete images."""

import uuid
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response

from app.authz.policy import ensure_can_edit
from app.core.callers import current_caller
from app.core.errors import (
    DatabaseBusy,
    Forbidden,
    PreconditionFailed,
)
from app.core.resource_paths import image_path
from app.core.text.normalization import Text
from app.http.container import container_of
from app.http.dependencies import ContainerDep, SessionDep
from app.http.links import public_path
from app.http.middleware.response_cache_middleware import cached, one_image
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, full_response
from app.http.requests.multipart import MalformedBody, MultipartStream
from app.http.requests.slow_body import read_body, upload_rate
from app.images.dependencies import ImageAuditDep, ImagesReader, TrashServiceDep, Uploader, UploadServiceDep
from app.images.errors import ImageNotFound, NameTaken
from app.images.name_conflict import name_taken
from app.images.repository import ImageRepository, TaggedImage, get_row
from app.images.responses import FILE_FIELD, UPLOAD_ERRORS, match_precondition, refuse_declared_length, with_etag
from app.images.schemas import (
    ImageRead,
    ImageUpdate,
    ImageUploaded,
    LookupItem,
    LookupRequest,
    LookupResult,
    to_read,
    to_uploaded,
)
from app.images.upload.idempotency import IdempotencyInProgress, IdempotencyMismatch
from app.images.upload.idempotency_repository import StoredResponse
from app.images.upload.image_creator import UploadedImage
from app.models import AuditAction
from app.ratelimit.policies import upload_charges
from app.tags.repository import TagRepository
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, DeviceDep, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)

UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": FILE_FIELD,
                        "tags": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Repeatable; each may hold several, comma-separated",
                        },
                        "visibility": {"type": "string", "enum": ["public", "private"], "default": "public"},
                        "on_conflict": {
                            "type": "string",
                            "enum": ["error", "rename"],
                            "default": "error",
                            "description": "For a name in use: `error` is 409 `name-taken`, `rename` adds ` (2)`, "
                            "` (3)` and so on before the extension. After `error`, the file is not read.",
                        },
                    },
                },
                "encoding": {"tags": {"style": "form", "explode": True}},
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    summary="Upload an image",
    openapi_extra=UPLOAD_FORM,
    responses=problems(*UPLOAD_ERRORS, MalformedBody, IdempotencyInProgress, IdempotencyMismatch),
)
async def upload_image(
    request: Request,
    response: Response,
    principal: Uploader,
    uploads: UploadServiceDep,
    container: ContainerDep,
    device: DeviceDep,
    idempotency_key: Annotated[
        Text | None,
        Header(
            alias="Idempotency-Key",
            max_length=255,
            description="The same key with the same upload returns the same response for 24 hours. Keys are private "
            "to the account. Without an account, they are private to the client's IPv4 address or IPv6 /64 network.",
            examples=["a1b2"],
        ),
    ] = None,
) -> ImageUploaded:
    """Store an image with its tags. Fields may precede or follow the file.

    Image names are unique in the whole service. The error for a name in use reveals that the name exists, even if its
    image is private. It has the path of the image only if the caller may see it.

    `duplicates` has the paths of up to 20 visible images with the same bytes. `similar` has those of the five nearest
    visible images, with the same bytes, the same pixels or a near picture. Among more than 2,000 near copies,
    nearer ones may be missed. `GET /v1/images/{id}/similar` lists all.
    """
    settings = container.settings
    await container.limits.charge(upload_charges(settings.upload_limits, principal.id, device.address))
    refuse_declared_length(request, settings)
    # An upload that outlasts the grace of its object could not be committed.
    rate = upload_rate(settings, container.queues.uploads, settings.orphan_grace_seconds)
    body = read_body(request, rate)
    form = MultipartStream(request.headers.get("content-type", ""), body)
    # No byte of the body is read before the upload has its slot.
    async with container.queues.uploads.enter(current_caller.get()):
        if idempotency_key is None:
            uploaded = shape_uploaded(await uploads.upload(form.parts(), principal))
        else:
            result = await uploads.upload_once(form.parts(), principal, idempotency_key, render_uploaded)
            uploaded = shape_uploaded(result)
    response.headers["Location"] = public_path(request, uploaded.links.self)
    return uploaded


@router.get(
    "/{image_id}",
    summary="Get an image",
    response_model=ImageRead,
    responses={**NOT_MODIFIED, **problems(ImageNotFound)},
)
@cached(one_image)
async def read_image(request: Request, image_id: uuid.UUID, principal: PrincipalDep) -> Response:
    """Return an image. A private image is visible only to its owner and admins."""
    async with container_of(request).database.read_connection() as connection:
        image = await get_row(connection, image_id, principal)
    return full_response(to_read(image, image.tags), f"{image.visibility}, no-cache")


@router.post(
    "/lookup",
    summary="Look up stored files",
    responses=problems(),
)
async def lookup_images(
    body: LookupRequest, _user: CurrentUser, principal: PrincipalDep, images: ImagesReader
) -> LookupResult:
    """Return the digests of files that are stored in images the caller may see. A client can skip their upload."""
    found = await images.list_oldest_by_sha256([bytes.fromhex(digest) for digest in body.sha256], principal)
    items = [
        LookupItem(sha256=digest, image=image_path(found[bytes.fromhex(digest)]))
        for digest in dict.fromkeys(body.sha256)
        if bytes.fromhex(digest) in found
    ]
    return LookupResult(items=items)


@router.patch(
    "/{image_id}",
    summary="Update an image",
    responses=problems(Forbidden, ImageNotFound, NameTaken, PreconditionFailed),
)
async def update_image(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    body: ImageUpdate,
    _user: CurrentUser,
    principal: PrincipalDep,
    session: SessionDep,
    audit: ImageAuditDep,
) -> ImageRead:
    """Change the name or the visibility of an image. Owner and admins only.

    `If-Match` prevents the loss of concurrent changes.
    """
    images = ImageRepository(session)
    image = await images.get_for_change(image_id, principal)
    ensure_can_edit(principal, image)
    names = (await TagRepository(session).list_names_by_image([image.id]))[image.id]
    match_precondition(request)(TaggedImage(image, names))
    changes = body.model_dump(exclude_unset=True)
    taken = await images.find_by_name(changes["name"]) if "name" in changes else None
    if taken is not None and taken.id != image.id:
        raise name_taken(taken, principal)
    before = {name: getattr(image, name) for name in changes}
    await images.update(image, changes)
    await audit.write(session, AuditAction.IMAGE_UPDATE, image, before=before, after=changes)
    return with_etag(response, TaggedImage(image, names))


@router.delete(
    "/{image_id}",
    status_code=204,
    summary="Delete an image",
    responses=problems(Forbidden, ImageNotFound, PreconditionFailed, DatabaseBusy),
)
async def delete_image(
    request: Request,
    image_id: uuid.UUID,
    _user: CurrentUser,
    principal: PrincipalDep,
    trash: TrashServiceDep,
    permanent: Annotated[bool, Query(description="Whether the image is deleted permanently", examples=[False])] = False,
) -> None:
    """Move an image to the trash. Owner and admins only.

    Its name is free at once. The trash keeps it for `TRASH_DAYS`, and its owner or an admin can restore it meanwhile.
    With `permanent`, or if `TRASH_DAYS` is 0, the image and its files are deleted permanently.
    """
    await trash.delete(image_id, principal, match_precondition(request), permanent=permanent)


def shape_uploaded(result: UploadedImage | StoredResponse) -> ImageUploaded:
    """Return the response to an upload: that of the new image, or the stored one."""
    if isinstance(result, StoredResponse):
        return ImageUploaded.model_validate_json(result.response)
    return to_uploaded(result.image, result.tags, result.duplicates, result.similar)


def render_uploaded(uploaded: UploadedImage) -> str:
    """Return the response to an upload as JSON, to be stored with its idempotency key."""
    return shape_uploaded(uploaded).model_dump_json()
