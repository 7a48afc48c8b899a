"""Which tags an image has: the endpoints, for one image and for many."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Self

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.policy import can_edit, ensure_can_edit, ensure_can_tag
from app.authz.principal import Principal
from app.authz.visibility import private_owner, visibility_scope
from app.core.callers import current_caller
from app.core.errors import (
    AppError,
    DatabaseBusy,
    Forbidden,
    ImageNotFound,
    PreconditionFailed,
    QueryTimeout,
    TagImplied,
    TagNotFound,
    TooManyConcurrentRequests,
    ValidationFailed,
)
from app.core.text.normalization import Text
from app.core.text.tag_names import TagName, TagNames
from app.db.cache_invalidation import LISTS, image_scope, invalidates_only
from app.db.database import Database
from app.http.container import Services
from app.http.dependencies import ServicesDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import require_match
from app.images.repository import ImageRepository
from app.images.router import with_etag
from app.images.schemas import ImageRead, TagsUpdate, to_read
from app.models import Image
from app.search.errors import InvalidQuery, QueryTooBroad
from app.search.language.parser import MAX_LENGTH, parse
from app.tags.dependencies import TagCreatorDep
from app.tags.image_tag_repository import ImageTagRepository, LockedTags, with_locked_tags
from app.tags.repository import TagRepository
from app.tags.tag_creator import TagCreator
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)

MAX_BULK = 10_000
BULK_BATCH = 500
ERRORS: tuple[type[AppError], ...] = (Forbidden, ImageNotFound, PreconditionFailed, DatabaseBusy)
Rule = Callable[[Principal, Image], None]


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may change which image, and in which state of it."""

    principal: Principal
    rule: Rule
    check: Callable[[ImageRead], None]


class BulkTagging(BaseModel):
    """The images, as a query or as ids, and the tags to add and to remove."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"q": "cat type:png", "add": ["feline"], "dry_run": True}]}
    )

    q: Annotated[Text, Field(max_length=MAX_LENGTH)] | None = None
    ids: Annotated[list[uuid.UUID], Field(max_length=1000)] | None = None
    add: TagNames = []
    remove: TagNames = []
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _name_images_and_tags(self) -> Self:
        if (self.q is None) == (self.ids is None):
            raise ValueError("Exactly one of the fields q and ids is required.")
        if self.q is not None and not self.q.strip():
            raise ValueError("The query must not be empty. Use * to select all images that you can change.")
        if not self.add and not self.remove:
            raise ValueError("At least one tag to add or to remove is required.")
        return self


class BulkResult(BaseModel):
    """The number of matching images that the caller may change, and of those that changed."""

    matched: int = Field(examples=[12])
    changed: int = Field(examples=[7])


@router.post(
    "/tags",
    summary="Change the tags of several images",
    responses=problems(InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy),
)
async def tag_images(
    body: BulkTagging, _user: CurrentUser, principal: PrincipalDep, services: ServicesDep, tag_creator: TagCreatorDep
) -> BulkResult:
    """Add tags to and remove tags from up to 10,000 images, all or none.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the counts without a change.
    An empty `q` is refused; `*` matches all images.
    """
    # An account makes one bulk edit at a time; the others wait here, without a connection.
    async with services.queues.bulk_edits.enter(current_caller.get()):
        return await tag_matches(body, principal, services, tag_creator)


async def tag_matches(
    body: BulkTagging, principal: Principal, services: Services, tag_creator: TagCreator
) -> BulkResult:
    """Tag the images that match, or only count them."""
    await refuse_contradiction(services.database, body)
    async with services.queues.searches.enter(current_caller.get()):
        images = await list_changeable(services, body, principal)
    if body.dry_run:
        return BulkResult(matched=len(images), changed=await count_changing(services.database, images, body))
    changed = 0
    async with with_locked_tags(body.add, tag_creator, principal.id) as (session, locked_tags):
        removed = await TagRepository(session).list_ids(body.remove)
        for start in range(0, len(images), BULK_BATCH):
            changed += await tag_batch(session, images[start : start + BULK_BATCH], locked_tags, removed)
    return BulkResult(matched=len(images), changed=changed)


@router.put("/{image_id}/tags", summary="Replace the tags of an image", responses=problems(*ERRORS))
async def replace_image_tags(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    body: TagsUpdate,
    _user: CurrentUser,
    principal: PrincipalDep,
    tag_creator: TagCreatorDep,
) -> ImageRead:
    """Replace the tags of an image. Implied tags are added. Owner and admins only."""

    async def replace(image_tags: ImageTagRepository, image: Image, locked_tags: LockedTags) -> None:
        await image_tags.replace_tags(image.id, locked_tags)

    permission = Permission(principal, ensure_can_edit, partial(require_match, request))
    return with_etag(response, await change_tags(tag_creator, image_id, body.tags, permission, replace))


@router.post("/{image_id}/tags", summary="Add tags to an image", responses=problems(*ERRORS))
async def add_image_tags(
    request: Request,
    response: Response,
    image_id: uuid.UUID,
    body: TagsUpdate,
    _user: CurrentUser,
    principal: PrincipalDep,
    tag_creator: TagCreatorDep,
) -> ImageRead:
    """Add tags, and the tags that they imply. Every user can tag a public image. Existing tags are no error.

    An image has at most 100 tags. Users other than the owner can add tags up to a total of 50.
    """

    async def add(image_tags: ImageTagRepository, image: Image, locked_tags: LockedTags) -> None:
        if can_edit(principal, image):
            await image_tags.add_tags([image.id], locked_tags)
        else:
            await image_tags.add_tags_as_guest(image.id, locked_tags)

    permission = Permission(principal, ensure_can_tag, partial(require_match, request))
    return with_etag(response, await change_tags(tag_creator, image_id, body.tags, permission, add))


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
    tag_creator: TagCreatorDep,
) -> ImageRead:
    """Remove an explicit tag, and the tags that only it implies. Owner and admins only."""

    async def remove(image_tags: ImageTagRepository, image: Image, _held: LockedTags) -> None:
        await image_tags.remove_tag(image.id, tag)

    permission = Permission(principal, ensure_can_edit, partial(require_match, request))
    return with_etag(response, await change_tags(tag_creator, image_id, [], permission, remove))


async def change_tags(
    tag_creator: TagCreator,
    image_id: uuid.UUID,
    names: list[str],
    permission: Permission,
    change: Callable[[ImageTagRepository, Image, LockedTags], Awaitable[None]],
) -> ImageRead:
    """Change the tags of an image that the principal may change; it is locked, after the tags."""
    principal = permission.principal
    # Asked before, too: who may not change the image makes no tags, and waits for nobody.
    async with tag_creator.database.read_session() as session:
        image = await ImageRepository(session).get_visible(image_id, principal)
        permission.rule(principal, image)
    async with with_locked_tags(names, tag_creator, private_owner(image)) as (session, locked_tags):
        image = await ImageRepository(session).get_for_change(image_id, principal)
        permission.rule(principal, image)
        permission.check(await shape_image(session, image))
        with invalidates_only(session, LISTS, image_scope(image.id)):
            await change(ImageTagRepository(session), image, locked_tags)
        return await shape_image(session, image)


async def shape_image(session: AsyncSession, image: Image) -> ImageRead:
    """Shape an image with the tags that it has now."""
    return to_read(image, (await TagRepository(session).list_names_by_image([image.id]))[image.id])


async def refuse_contradiction(database: Database, body: BulkTagging) -> None:
    """Raise ValidationFailed where a tag is to be added and removed, under the same name or under an alias."""
    if not body.add or not body.remove:
        return
    async with database.read_session() as session:
        ids = await TagRepository(session).list_ids_by_name([*body.add, *body.remove])
    added = {ids.get(name, name) for name in body.add}
    for name in body.remove:
        if ids.get(name, name) in added:
            raise ValidationFailed.at(["body", "remove"], f"A tag cannot be both added and removed: {name}.")


async def list_changeable(services: Services, body: BulkTagging, principal: Principal) -> list[uuid.UUID]:
    """Return the ids of the images meant, sorted, as locks are taken. Raises QueryTooBroad for too many."""
    scope, owner = visibility_scope(principal), None if principal.is_admin else principal.id
    async with services.database.search_session() as session:
        if body.ids is None:
            search = await services.search.prepare(session, parse(body.q or ""), scope)
            found = await search.list_ids(owner, MAX_BULK + 1)
        else:
            found = await ImageRepository(session).list_visible(body.ids, scope, owner)
    if len(found) > MAX_BULK:
        raise QueryTooBroad(f"More than {MAX_BULK} images match. Use a narrower query.")
    return sorted(found)


async def count_changing(database: Database, images: list[uuid.UUID], body: BulkTagging) -> int:
    """Return how many of the images would change."""
    async with database.search_session() as session:
        tags = TagRepository(session)
        added, removed = await tags.list_by_any_name(body.add), await tags.list_ids(body.remove)
        if set(body.add) - added.keys():
            return len(images)
        return len(
            await ImageTagRepository(session).list_affected(images, list({tag.id for tag in added.values()}), removed)
        )


async def tag_batch(session: AsyncSession, images: list[uuid.UUID], locked_tags: LockedTags, removed: list[int]) -> int:
    """Change some images; return how many of them that changed."""
    image_tags = ImageTagRepository(session)
    locked = await image_tags.lock_images(images)
    changing_images = await image_tags.list_affected(locked, locked_tags.explicit, removed)
    if changing_images:
        with invalidates_only(session, LISTS, *map(image_scope, changing_images)):
            if removed:
                await image_tags.remove_tags(changing_images, removed)
            await image_tags.add_tags(changing_images, locked_tags)
    return len(changing_images)
