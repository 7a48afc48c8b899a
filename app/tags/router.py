from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app.core.errors import InvalidCursor, InvalidToken, Unauthenticated, ValidationFailed
from app.core.pagination import DEFAULT_LIMIT, Limit
from app.core.text import Text
from app.http.dependencies import CursorsDep
from app.http.links import add_next_link
from app.http.problems import problems
from app.tags.dependencies import TagsReader, TagsRepo
from app.tags.repository import CountedTag
from app.tags.schemas import TagList, TagPage, TagRead, TagsCreate
from app.users.dependencies import CurrentUser
from app.users.guarded_route import GuardedRoute

router = APIRouter(prefix="/tags", tags=["tags"], route_class=GuardedRoute)


@router.get("", summary="List tags", responses=problems(InvalidCursor, ValidationFailed))
async def list_tags(
    request: Request,
    response: Response,
    repository: TagsReader,
    cursors: CursorsDep,
    prefix: Annotated[Text, Query(max_length=64, description="Only names that start so; most used first")] = "",
    sort: Annotated[Literal["count", "name"], Query(description="Most used first, or by name")] = "count",
    limit: Annotated[Limit, Query()] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> TagPage:
    """Page through the vocabulary; with `prefix`, complete what a user is typing."""
    folded = prefix.casefold()
    fingerprint = f"tags {sort} {folded}"
    after = cursors.decode(cursor, fingerprint) if cursor else None
    if sort == "name":
        rows = await repository.list_by_name(folded, after[0] if after else None, limit + 1)
    else:
        rows = await repository.list_by_count(folded, (after[0], after[1]) if after else None, limit + 1)
    page = TagPage(items=[to_read(row) for row in rows[:limit]])
    if len(rows) > limit:
        last = page.items[-1]
        page.next_cursor = cursors.encode([last.name] if sort == "name" else [last.images, last.name], fingerprint)
        add_next_link(request, response, page.next_cursor)
    return page


@router.post(
    "",
    status_code=201,
    summary="Make tags",
    responses=problems(Unauthenticated, InvalidToken, ValidationFailed),
)
async def create_tags(body: TagsCreate, _user: CurrentUser, repository: TagsRepo, response: Response) -> TagList:
    """Make those of the tags that are not there yet; known ones are no error."""
    await repository.ensure(body.names)
    response.headers["Location"] = "/v1/tags"
    return TagList(items=[to_read(row) for row in await repository.list_by_names(body.names)])


def to_read(row: CountedTag) -> TagRead:
    """Shape a tag for the wire."""
    return TagRead(name=row.tag.name, images=row.images, created_at=row.tag.created_at)
