"""Endpoints to find similar images."""

import uuid
from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.core.callers import current_caller
from app.core.errors import QueryTimeout, TooManyRequests
from app.core.pagination import DEFAULT_LIMIT, Limit
from app.http.container import container_of
from app.http.dependencies import ContainerDep
from app.http.methods import JSON
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.multipart import MalformedBody, MultipartStream
from app.http.requests.slow_body import read_body, upload_rate
from app.images.dependencies import SimilarImageServiceDep, UploadServiceDep, charge_search, similar_image_service_of
from app.images.errors import ImageNotFound, NameTaken, StorageQuotaExceeded
from app.images.responses import FILE_FIELD, UPLOAD_ERRORS, refuse_declared_length
from app.images.similar.schemas import SimilarList, similar_json
from app.images.similar.service import SimilarityBounds
from app.ratelimit.policies import upload_charges
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
    response_model=SimilarList,
    responses=problems(ImageNotFound, QueryTimeout, TooManyRequests),
)
async def list_similar_images(
    request: Request,
    image_id: uuid.UUID,
    principal: PrincipalDep,
    max_distance: MaxDistance = MAX_DISTANCE,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> Response:
    """Return the copies and near-duplicates of an image that the caller may see, nearest first.

    A perceptual hash finds them. Rescaled, recompressed and converted copies are near. Crops of more than about one
    percent are not. A flat picture has only copies with the same file or the same pixels.
    """
    container, bounds = container_of(request), SimilarityBounds(max_distance, limit)
    await charge_search(request, container, principal)
    images = await similar_image_service_of(container).list_of_image(image_id, principal, bounds)
    return Response(similar_json(images), media_type=JSON, headers={"Cache-Control": "private, no-cache"})


@router.post(
    "/similar",
    summary="List images similar to a file",
    response_model=SimilarList,
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
) -> Response:
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
    images = await service.list_of_file(fingerprint, principal, SimilarityBounds(max_distance, limit))
    return Response(similar_json(images), media_type=JSON)
