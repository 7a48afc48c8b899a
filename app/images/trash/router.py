"""Endpoints to list, restore and delete images in the trash."""

import uuid
from typing import Annotated

from fastapi import Body, Query

from app.core.errors import DatabaseBusy
from app.http.dependencies import ContainerDep
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.dependencies import TrashServiceDep
from app.images.errors import ImageNotFound, NameTaken
from app.images.schemas import ImageRead, to_read
from app.images.trash.repository import TrashRepository
from app.images.trash.schemas import ImageRestore, TrashPage, to_trashed
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/trash", tags=["images"], route_class=AuthenticatedRoute)


@router.get("", summary="List the trash")
async def list_trash(
    _user: CurrentUser,
    principal: PrincipalDep,
    container: ContainerDep,
    paging: PagingDep,
    batch: Annotated[uuid.UUID | None, Query(description="Return only the images of this bulk deletion")] = None,
) -> TrashPage:
    """Return a page of the caller's images in the trash, the last deleted first. Admins see those of all accounts.

    An image is deleted permanently `TRASH_DAYS` after it was moved to the trash.
    """
    query = f"trash {principal.id} {principal.is_admin} {batch}"
    after = paging.after(query)
    async with container.database.read_session() as session:
        found = await TrashRepository(session).list_newest(principal, batch, after, paging.fetch_limit)
    rows, next_cursor = paging.page([one.image for one in found], query, "trashed_at")
    days = container.settings.trash_days
    items = [to_trashed(one.image, one.tags, days) for one in found[: len(rows)]]
    return TrashPage(items=items, next_cursor=next_cursor)


@router.post(
    "/{image_id}/restore",
    summary="Restore an image",
    responses=problems(ImageNotFound, NameTaken, DatabaseBusy),
)
async def restore_image(
    image_id: uuid.UUID,
    _user: CurrentUser,
    principal: PrincipalDep,
    trash: TrashServiceDep,
    body: Annotated[ImageRestore, Body(default_factory=ImageRestore)],
) -> ImageRead:
    """Move an image back from the trash, with its id, tags, thumbnails and `created_at`. Owner and admins only.

    If another image has its name, the request is refused with 409 `name-taken`. Send another `name` in this case.

    Changes of tags since the deletion apply to it: a merged tag is its target, a deleted tag is missing, and implied
    tags are those of now. The quota is not checked, since the trash counts against it.
    """
    restored = await trash.restore(image_id, principal, body.name)
    return to_read(restored.image, restored.tags)


@router.delete(
    "/{image_id}",
    status_code=204,
    summary="Delete an image in the trash",
    responses=problems(ImageNotFound, DatabaseBusy),
)
async def delete_trashed_image(
    image_id: uuid.UUID, _user: CurrentUser, principal: PrincipalDep, trash: TrashServiceDep
) -> None:
    """Delete an image in the trash and its files permanently. Owner and admins only."""
    await trash.delete_permanently(image_id, principal)
