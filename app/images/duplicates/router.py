"""Endpoints to list and merge duplicates."""

from typing import Annotated

from fastapi import Query, Response

from app.core.errors import (
    DatabaseBusy,
    Forbidden,
    QueryTimeout,
    TooManyConcurrentRequests,
    TooManyRequests,
)
from app.http.dependencies import ContainerDep
from app.http.paging import PagingDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.dependencies import ImageAuditDep
from app.images.duplicates.duplicate_merger import DuplicateMerger, Duplicates
from app.images.duplicates.schemas import DuplicateGroup, DuplicateMerge, DuplicateMergeResult, DuplicatePage
from app.images.duplicates.service import START, DuplicateReport
from app.images.errors import ImageNotFound
from app.images.schemas import to_read
from app.ratelimit.policies import search_charges
from app.similarity.repository import SimilarityKind
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, DeviceDep, PrincipalDep

router = PrefixRouter(prefix="/images/duplicates", tags=["images"], route_class=AuthenticatedRoute)

KIND_HELP = "`bytes`: the same file. `pixels`: the same decoded picture. `near`: near copies, within 31 bits"


@router.get(
    "",
    summary="List duplicates",
    responses=problems(QueryTimeout, TooManyRequests, TooManyConcurrentRequests, DatabaseBusy),
)
async def list_duplicates(
    user: CurrentUser,
    container: ContainerDep,
    device: DeviceDep,
    paging: PagingDep,
    response: Response,
    kind: Annotated[SimilarityKind, Query(description=KIND_HELP)] = SimilarityKind.BYTES,
) -> DuplicatePage:
    """Return a page of groups of duplicates among the caller's own images.

    A group is an image with its newer duplicates, the oldest first. It lists at most 100 images. A group that is a part
    of another one is left out, and so is one whose images are all of a closer kind. A near copy of a near copy can
    be in another group. The groups are in the order of their oldest images.

    A page has at most 1,000 images and ends after about a second. So it can have fewer groups than `limit`, also none,
    before the last page. The last page has no `next_cursor`.
    """
    await container.limits.charge(search_charges(container.settings.search_limits, user.id, device.address))
    response.headers["Cache-Control"] = "private, no-cache"
    query = f"duplicates {user.id} {kind}"
    report = DuplicateReport(container.database, container.queues.searches, user.id)
    page = await report.list_groups(kind, paging.after(query) or START, paging.limit)
    items = [DuplicateGroup(kind=kind, images=[to_read(*image) for image in group]) for group in page.groups]
    key = None if page.position is None else [page.position[0].isoformat(), str(page.position[1])]
    return DuplicatePage(items=items, next_cursor=None if key is None else paging.continue_after(key, query))


@router.post(
    "/merge",
    summary="Merge duplicates",
    responses=problems(ImageNotFound, Forbidden, DatabaseBusy, TooManyConcurrentRequests),
)
async def merge_duplicates(
    body: DuplicateMerge, _user: CurrentUser, principal: PrincipalDep, container: ContainerDep, audit: ImageAuditDep
) -> DuplicateMergeResult:
    """Add the explicit tags of the `others` to the image `keep`, and move the others to the trash, all or none.

    The caller must be the owner of all images, or an admin. The images need not be in one group of the report. An image
    has at most 100 tags: a merge that would exceed them is refused. `dry_run` returns the result without a change.

    `POST /v1/history/revert` with the `batch` removes the added tags, and `GET /v1/trash` with it lists the others. A
    repeated merge is 404, since the others are in the trash. If `TRASH_DAYS` is 0, they are deleted permanently.
    """
    has_trash = container.settings.trash_days > 0
    merger = DuplicateMerger(container.database, container.queues.bulk_edits, audit, has_trash=has_trash)
    run = merger.predict if body.dry_run else merger.merge
    report = await run(Duplicates(body.keep, body.others), principal)
    return DuplicateMergeResult(changed=report.changed, batch=report.batch)
