"""Endpoints to find similar images."""

import uuid
from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.core.callers import current_caller
from app.core.errors import QueryTimeout, TooManyRequests
from app.core.pagination import DEFAULT_LIMIT, Limit
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.multipart import MalformedBody, MultipartStream
from app.http.requests.slow_body import read_body, upload_rate
from app.images.dependencies import SimilarImageServiceDep, UploadServiceDep
from app.images.errors import ImageNotFound, NameTaken, StorageQuotaExceeded
from app.images.responses import FILE_FIELD, UPLOAD_ERRORS, refuse_declared_length
from app.images.schemas import to_read
from app.images.similar.schemas import SimilarImageRead, SimilarList
from app.images.similar.service import SimilarityBounds, TaggedSimilarImage
from app.ratelimit.policies import search_charges, upload_charges
from app.similarity.hash_chunks import MAX_DISTANCE
from app.similarity.repository import new_fingerprint
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, DeviceDep, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)

MaxDistance = Annotated[
    int,
    Query(
        ge=0,
        le=MAX_DISTANCE,
        description="The largest number of different bits of the hashes, of 256. The index finds all images up to 31; "
        "more distant ones are not found, so larger values are refused.",
    ),
]
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": FILE_FIELD},
                }
            }
        },
    }
}
_FILE_ERRORS = tuple(error for error in UPLOAD_ERRORS if error not in (NameTaken, StorageQuotaExceeded))


@router.get(
    "/{image_id}/similar",
    summary="List similar images",
    responses=problems(ImageNotFound, QueryTimeout, TooManyRequests),
)
async def list_similar_images(
    image_id: uuid.UUID,
    principal: PrincipalDep,
    service: SimilarImageServiceDep,
    container: ContainerDep,
    device: DeviceDep,
    response: Response,
    max_distance: MaxDistance = MAX_DISTANCE,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> SimilarList:
    """Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.
    """
    await container.limits.charge(search_charges(container.settings.search_limits, principal.id, device.address))
    response.headers["Cache-Control"] = "private, no-cache"
    return _shape(await service.list_of_image(image_id, principal, SimilarityBounds(max_distance, limit)))


@router.post(
    "/similar",
    summary="List images similar to a file",
    openapi_extra=_FORM,
    responses=problems(*_FILE_ERRORS, MalformedBody, QueryTimeout),
)
async def list_images_similar_to_file(
    request: Request,
    _user: CurrentUser,
    principal: PrincipalDep,
    uploads: UploadServiceDep,
    service: SimilarImageServiceDep,
    container: ContainerDep,
    device: DeviceDep,
    max_distance: MaxDistance = MAX_DISTANCE,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> SimilarList:
    """Return the copies and near-duplicates of a file that the caller may see, nearest first. Nothing is stored.

    The file passes the checks of an upload, and counts as one for the rate limit.
    """
    settings = container.settings
    await container.limits.charge(upload_charges(settings.upload_limits, principal.id, device.address))
    refuse_declared_length(request, settings)
    body = read_body(request, upload_rate(settings, container.queues.uploads, settings.orphan_grace_seconds))
    form = MultipartStream(request.headers.get("content-type", ""), body)
    async with container.queues.uploads.enter(current_caller.get()):
        file = await uploads.inspect(form.parts(), principal)
    fingerprint = new_fingerprint(file.sha256, file.properties.perceptual_hash)
    return _shape(await service.list_of_file(fingerprint, principal, SimilarityBounds(max_distance, limit)))


def _shape(images: list[TaggedSimilarImage]) -> SimilarList:
    items = [
        SimilarImageRead(image=to_read(*one.image), kind=one.similar.kind, distance=one.similar.distance)
        for one in images
    ]
    return SimilarList(items=items)
