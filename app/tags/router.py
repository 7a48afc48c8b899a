"""Endpoints to list, create and administer tags."""

import uuid
from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.errors import AppError, DatabaseBusy, InvalidCursor, QueryTimeout, TooManyConcurrentRequests
from app.core.pagination import DEFAULT_LIMIT, Cursor, Limit
from app.core.text.normalization import Text
from app.core.text.tag_names import TagName
from app.http.dependencies import ContainerDep, CursorsDep
from app.http.links import next_link, public_path
from app.http.middleware.response_cache_middleware import cached, lists
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.http.requests.conditional import NOT_MODIFIED, full_response
from app.tags.dependencies import TagAdminServiceDep, TagChangeDep, TagCreatorDep, TagsReader, TagsRepo
from app.tags.errors import TagExists, TagIsAlias, TagNotFound
from app.tags.name_pattern import build_name_pattern
from app.tags.repository import CountedTag, TagRepository
from app.tags.schemas import (
    RelatedList,
    RelatedRead,
    TagAliases,
    TagChanged,
    TagImplications,
    TagList,
    TagMerge,
    TagPage,
    TagRead,
    TagRename,
    TagsCreate,
)
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import AdminUser, CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/tags", tags=["tags"], route_class=AuthenticatedRoute)

NamePath = Annotated[TagName, Path(description="The name of the tag, or an alias of it", examples=["cat"])]
Part = Annotated[Text | None, Query(min_length=1, max_length=64)]
ADMIN_ERRORS: tuple[type[AppError], ...] = (TagNotFound, TagIsAlias, DatabaseBusy)


@router.get(
    "",
    summary="List tags",
    response_model=TagPage,
    responses={**NOT_MODIFIED, **problems(InvalidCursor, QueryTimeout, TooManyConcurrentRequests)},
)
@cached(lists)
async def list_tags(
    request: Request,
    principal: PrincipalDep,
    repository: TagsReader,
    cursors: CursorsDep,
    prefix: Annotated[Part, Query(description="The start of a name or alias", examples=["ca"])] = None,
    contains: Annotated[Part, Query(description="A part of a name or alias", examples=["at"])] = None,
    sort: Annotated[
        Literal["count", "name"], Query(description="The order: by number of images, descending, or by name")
    ] = "count",
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[Cursor, Query()] = None,
) -> Response:
    """Return a page of the tags that the caller may see. `prefix` is meant for autocompletion.

    A tag that only private images have is visible only to their owners and admins. A tag created by `POST` is visible
    to everyone.
    """
    pattern, scope = build_name_pattern(prefix or "", contains or ""), visibility_scope(principal)
    fingerprint = f"tags {principal.id} {sort} {pattern}"
    after = cursors.decode(cursor, fingerprint) if cursor is not None else None
    if sort == "name":
        rows = await repository.list_by_name(pattern, scope, after[0] if after else None, limit + 1)
    else:
        rows = await repository.list_by_count(pattern, scope, (after[0], after[1]) if after else None, limit + 1)
    page = TagPage(items=[to_read(row, matched=pattern) for row in rows[:limit]])
    headers = cache_headers(principal)
    if len(rows) > limit:
        last = page.items[-1]
        page.next_cursor = cursors.encode([last.name] if sort == "name" else [last.images, last.name], fingerprint)
        headers["Link"] = next_link(request, page.next_cursor)
    # Straight from pydantic: this is asked at every key that is pressed.
    return Response(page.model_dump_json(), headers=headers, media_type="application/json")


@router.post("", status_code=201, summary="Create tags", responses=problems(DatabaseBusy))
async def create_tags(
    body: TagsCreate,
    _user: CurrentUser,
    tag_creator: TagCreatorDep,
    container: ContainerDep,
    request: Request,
    response: Response,
) -> TagList:
    """Create the tags that do not exist. An existing tag is no error, and an alias returns its tag.

    The tags become visible to everyone.
    """
    await tag_creator.ensure_listed(body.names)
    response.headers["Location"] = public_path(request, "/v1/tags")
    async with container.database.read_session() as session:
        found = await TagRepository(session).list_by_any_name(body.names)
    return TagList(items=[to_read(found[name], asked=name) for name in body.names if name in found])


@router.get(
    "/{name}",
    summary="Get a tag",
    response_model=TagRead,
    responses={**NOT_MODIFIED, **problems(TagNotFound, TooManyConcurrentRequests)},
)
@cached(lists)
async def read_tag(name: NamePath, principal: PrincipalDep, repository: TagsReader) -> Response:
    """Return a tag. An alias returns its target, with `alias_of`."""
    response = full_response(to_read(await repository.get_visible(name, visibility_scope(principal)), asked=name))
    response.headers.update(cache_headers(principal))
    return response


@router.get(
    "/{name}/related",
    summary="List related tags",
    responses={**NOT_MODIFIED, **problems(TagNotFound, TooManyConcurrentRequests)},
)
@cached(lists)
async def list_related_tags(
    name: NamePath,
    principal: PrincipalDep,
    repository: TagsReader,
    response: Response,
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
) -> RelatedList:
    """Return the tags that occur together with this one, ordered by the cosine similarity of their public images.

    The scores of a tag with thousands of images are estimated from a sample.
    """
    response.headers.update(cache_headers(principal))
    rows = await repository.list_related(await repository.get_visible(name, visibility_scope(principal)), limit)
    return RelatedList(items=[RelatedRead(tag=row.name, images=row.images, score=round(row.score, 4)) for row in rows])


@router.patch("/{name}", summary="Rename a tag", responses=problems(*ADMIN_ERRORS, TagExists))
async def rename_tag(
    name: NamePath, body: TagRename, _admin: AdminUser, change: TagChangeDep, repository: TagsRepo
) -> TagChanged:
    """Rename a tag. The name of another tag is a conflict; merge the tags instead.

    The rename of a tag takes about 20 microseconds for each image: the history of each image records it.
    """
    batch = await change.rename(name, body.name)
    return to_changed(await repository.get(body.name), batch)


@router.delete("/{name}", status_code=204, summary="Delete a tag", responses=problems(*ADMIN_ERRORS))
async def delete_tag(name: NamePath, _admin: AdminUser, service: TagAdminServiceDep) -> None:
    """Delete a tag and its aliases, and remove it from all images. The name of an alias deletes the alias only.

    The deletion takes as long as a merge.
    """
    await service.delete(name)


@router.post("/{name}/merge", summary="Merge a tag into another", responses=problems(*ADMIN_ERRORS))
async def merge_tag(name: NamePath, body: TagMerge, _admin: AdminUser, service: TagAdminServiceDep) -> TagChanged:
    """Replace this tag by another one on all images. The name becomes an alias of the other tag.

    A merge takes about a millisecond for each image, so minutes for hundreds of thousands. Meanwhile both tags can be
    used, and each image has one of them. Repeat the request to complete an interrupted merge.
    """
    return to_changed(*await service.merge(name, body.into))


@router.put("/{name}/aliases", summary="Set the aliases of a tag", responses=problems(*ADMIN_ERRORS, TagExists))
async def set_tag_aliases(
    name: NamePath, body: TagAliases, _admin: AdminUser, change: TagChangeDep, repository: TagsRepo
) -> TagRead:
    """Replace the aliases of a tag. The name of a tag in use is a conflict."""
    await change.set_aliases(name, body.aliases)
    return to_read(await repository.get(name))


@router.put("/{name}/implications", summary="Set the implications of a tag", responses=problems(*ADMIN_ERRORS))
async def set_tag_implications(
    name: NamePath, body: TagImplications, _admin: AdminUser, service: TagAdminServiceDep
) -> TagRead:
    """Replace the implications of a tag. Images with the tag receive the implied tags at once, at any depth.

    A removed implication removes its tags, unless they are explicit or implied by another tag.
    """
    return to_read(await service.set_implications(name, body.implies))


def cache_headers(principal: Principal) -> dict[str, str]:
    """Return the headers of an answer that depends on the principal, to be revalidated."""
    return {"Cache-Control": "no-cache" if principal.user is None else "private, no-cache", "Vary": "Authorization"}


def to_changed(tag: CountedTag, batch: uuid.UUID | None) -> TagChanged:
    """Shape a tag that was renamed, or that another was merged into."""
    return TagChanged(**to_read(tag).model_dump(), batch=batch)


def to_read(tag: CountedTag, asked: str | None = None, matched: str | None = None) -> TagRead:
    """Shape a tag for the wire: `asked` is the name that it was asked for by, `matched` the pattern in a list."""
    by_alias = asked not in (None, tag.name)
    if matched is not None:
        prefix, _, rest = matched.partition("*")
        by_alias = not tag.name.startswith(prefix) or rest.rstrip("*") not in tag.name
    return TagRead(
        name=tag.name,
        images=tag.images,
        aliases=tag.aliases,
        implies=tag.implies,
        created_at=tag.created_at,
        alias_of=tag.name if by_alias else None,
    )
