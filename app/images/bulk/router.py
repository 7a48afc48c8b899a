"""The endpoint for changes of many images."""

from app.core.errors import DatabaseBusy, QueryTimeout, TooManyConcurrentRequests
from app.http.container import Container
from app.http.dependencies import ContainerDep
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.bulk.actions import BulkAction, RestoreImages, SetVisibility, TrashImages
from app.images.bulk.schemas import BulkActionName, BulkChange, BulkChangeResult, SkippedRead
from app.images.bulk.selection import Selection
from app.images.bulk.service import BulkService
from app.images.dependencies import ImageAuditDep, image_selector_of
from app.search.errors import InvalidQuery, QueryTooBroad
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import CurrentUser, PrincipalDep

router = PrefixRouter(prefix="/images", tags=["images"], route_class=AuthenticatedRoute)


@router.post(
    "/bulk",
    summary="Change several images",
    responses=problems(InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy),
)
async def change_images(
    body: BulkChange, _user: CurrentUser, principal: PrincipalDep, container: ContainerDep, audit: ImageAuditDep
) -> BulkChangeResult:
    """Change up to 1,000 images by `ids`, or up to 10,000 matches of a query.

    * `delete` moves images to the trash. `batch` is then in the trash list.
    * `restore` takes the `ids` of images in the trash.
    * `set_visibility` makes images public or private.

    Only the caller's own images are changed; for an admin, all matches. `dry_run` returns the result without a change.
    An empty `q` is refused; `*` matches all images.

    An image that cannot be changed does not end the request. `skipped` lists it with the problem type, such as
    `name-taken`.
    """
    service, action = BulkService(container.queues.bulk_edits, audit), _action(body, container)
    run = service.predict if body.dry_run else service.run
    report = await run(action, Selection(body.q or "", body.ids), principal)
    skipped = [SkippedRead(id=one.id, reason=one.reason) for one in report.outcome.skipped]
    return BulkChangeResult(matched=report.matched, changed=report.outcome.changed, batch=report.batch, skipped=skipped)


def _action(body: BulkChange, container: Container) -> BulkAction:
    database, selector = container.database, image_selector_of(container)
    match body.action:
        case BulkActionName.DELETE:
            return TrashImages(database, selector, has_trash=container.settings.trash_days > 0)
        case BulkActionName.RESTORE:
            return RestoreImages(database)
        case BulkActionName.SET_VISIBILITY:
            assert body.visibility is not None  # noqa: S101 - as the model ensures
            return SetVisibility(database, selector, body.visibility)
