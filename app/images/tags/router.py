"""The endpoints for the tags of images: of one image, and of many."""

import uuid
from typing import Annotated

from fastapi import Path, Request, Response

from app.core.errors import (
    AppError,
    DatabaseBusy,
    Forbidden,
    PreconditionFailed,
    QueryTimeout,
    TooManyConcurrentRequests,
)
from app.core.text.tag_names import TagName
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.bulk.selection import Selection
from app.images.dependencies import ImageTagsServiceDep
from app.images.errors import ImageNotFound
from app.images.responses import match_precondition, with_etag
from app.images.schemas import BulkResult, BulkTagging, ImageRead, TagsAddition, TagsUpdate
from app.images.tags.service import BulkEdit
from app.search.errors import InvalidQuery, QueryTooBroad
from app.tags.changes.change_origin import ChangeOrigin
from app.tags.errors import TagImplied, TagNotFound
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)

ERRORS: tuple[type[AppError], ...] = (Forbidden, ImageNotFound, PreconditionFailed, DatabaseBusy)


@router.post(
    "/tags",
    summary="Change the tags of several images",
    responses=problems(InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy),
)
async def tag_images(
    body: BulkTagging, _user: CurrentUser, principal: PrincipalDep, service: ImageTagsServiceDep
) -> BulkResult:
    """Add tags to and remove tags from up to 10,000 images, all or none.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the counts without a change.
    An empty `q` is refused; `*` matches all images. `batch` identifies the change, for `POST /v1/history/revert`.
    """
    edit = BulkEdit(Selection(body.q or "", body.ids), body.add, body.remove)
    run = service.count_bulk_edit if body.dry_run else service.edit_in_bulk
    counts = await run(edit, principal)
    return BulkResult(matched=counts.matched, changed=counts.changed, batch=counts.batch)


@router.put("/{image_id}/tags", summary="Replace the tags of an image", responses=problems(*ERRORS))
async def replace_image_tags(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    body: TagsUpdate,
    _user: CurrentUser,
    principal: PrincipalDep,
    service: ImageTagsServiceDep,
) -> ImageRead:
    """Replace the tags of an image. Implied tags are added. Owner and admins only."""
    return with_etag(response, await service.replace_tags(image_id, body.tags, principal, match_precondition(request)))


@router.post("/{image_id}/tags", summary="Add tags to an image", responses=problems(*ERRORS))
async def add_image_tags(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    body: TagsAddition,
    _user: CurrentUser,
    principal: PrincipalDep,
    service: ImageTagsServiceDep,
) -> ImageRead:
    """Add tags, and the tags that they imply. Every user can tag a public image. Existing tags are no error.

    An image has at most 100 tags. Users other than the owner can add tags up to a total of 50.
    """
    precondition, origin = match_precondition(request), ChangeOrigin(body.source)
    return with_etag(response, await service.add_tags(image_id, body.tags, principal, precondition, origin))


@router.delete(
    "/{image_id}/tags/{tag}", summary="Remove a tag from an image", responses=problems(*ERRORS, TagNotFound, TagImplied)
)
async def remove_image_tag(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    tag: Annotated[TagName, Path(examples=["cat"])],
    _user: CurrentUser,
    principal: PrincipalDep,
    service: ImageTagsServiceDep,
) -> ImageRead:
    """Remove an explicit tag, and the tags that only it implies. Owner and admins only."""
    return with_etag(response, await service.remove_tag(image_id, tag, principal, match_precondition(request)))
