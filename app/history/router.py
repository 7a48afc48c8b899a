"""Endpoints of the tag history: of a tag, of all images, and the revert of changes."""

import uuid
from typing import Annotated

from fastapi import Path, Query

from app.authz.visibility import visibility_scope
from app.core.errors import AdminRequired, DatabaseBusy, TooManyConcurrentRequests
from app.core.text.tag_names import TagName
from app.core.text.timestamps import Timestamp
from app.history.dependencies import EventPagingDep, HistorySession, RevertServiceDep
from app.history.repository import EventFilter, HistoryRepository
from app.history.revert_repository import EventSelection
from app.history.schemas import EventPage, EventRead, RevertRequest, RevertResponse, UnrestoredRead
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.search.errors import QueryTooBroad
from app.tags.errors import TagExists, TagNotFound
from app.tags.repository import TagRepository
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import AdminUser, CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/history", tags=["history"], route_class=AuthenticatedRoute)
tag_history_router = PrefixRouter(prefix="/tags", tags=["history"], route_class=AuthenticatedRoute)


@tag_history_router.get("/{name}/history", summary="List the changes of a tag", responses=problems(TagNotFound))
async def list_tag_history(
    name: Annotated[TagName, Path(description="The name of the tag, or an alias of it", examples=["cat"])],
    principal: PrincipalDep,
    session: HistorySession,
    paging: EventPagingDep,
) -> EventPage:
    """Return a page of the changes of a tag on images that the caller may see, newest first.

    The changes of tags that were merged into it are included.
    """
    scope = visibility_scope(principal)
    query = f"tag {name}"
    before = paging.before(query)
    tag = await TagRepository(session).get_visible(name, scope)
    events = await HistoryRepository(session).list_of_tag(tag.id, scope, before, paging.fetch_limit)
    return paging.page(events, query)


@router.get("", summary="List the changes of all tags")
async def list_history(
    _admin: AdminUser,
    session: HistorySession,
    paging: EventPagingDep,
    actor: Annotated[uuid.UUID | None, Query(description="The id of the account that changed the tags")] = None,
    since: Annotated[Timestamp | None, Query(description="The start of the period, inclusive")] = None,
    until: Annotated[Timestamp | None, Query(description="The end of the period, exclusive")] = None,
    batch: Annotated[uuid.UUID | None, Query(description="The `batch` of a change of many images")] = None,
) -> EventPage:
    """Return a page of the tag changes of all images, newest first. Admins only."""
    wanted = EventFilter(actor, since, until, batch)
    query = f"all {wanted!r}"
    events = await HistoryRepository(session).list_filtered(wanted, paging.before(query), paging.fetch_limit)
    return paging.page(events, query)


@router.post(
    "/revert",
    summary="Revert tag changes",
    responses=problems(AdminRequired, TagExists, QueryTooBroad, TooManyConcurrentRequests, DatabaseBusy),
)
async def revert_changes(
    body: RevertRequest, _user: CurrentUser, principal: PrincipalDep, service: RevertServiceDep
) -> RevertResponse:
    """Apply the inverse of the selected changes to the caller's images; for an admin, to all images.

    A later change of the same tag of the same image is kept, and returned in `conflicts`. Implied tags follow the
    explicit ones. Only admins revert a merge, rename or deletion of a tag: the tag returns with its images, its aliases
    and its implications. Parts that later changes prevent are returned in `unrestored`.

    The images change in batches. Repeat the request to complete an interrupted revert; a completed one changes nothing.
    """
    selection = EventSelection(body.batch, body.actor, body.since, body.until, body.ids)
    run = service.preview if body.dry_run else service.revert
    result = await run(selection, principal)
    return RevertResponse(
        matched=result.matched,
        changed=result.changed,
        conflicts=[EventRead.of(event) for event in result.conflicts],
        unrestored=[UnrestoredRead.of(item) for item in result.unrestored],
        batch=result.batch,
    )
