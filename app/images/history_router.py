"""The endpoint for the tag history of an image."""

import uuid

from app.history.dependencies import EventPagingDep, HistorySession
from app.history.repository import HistoryRepository
from app.history.schemas import EventPage
from app.http.prefix_router import PrefixRouter
from app.http.problems import problems
from app.images.errors import ImageNotFound
from app.images.repository import ImageRepository
from app.users.authenticated_route import AuthenticatedRoute
from app.users.dependencies import PrincipalDep

router = PrefixRouter(prefix="/images", tags=["history"], route_class=AuthenticatedRoute)


@router.get("/{image_id}/history", summary="List the tag changes of an image", responses=problems(ImageNotFound))
async def list_image_history(
    image_id: uuid.UUID, principal: PrincipalDep, session: HistorySession, paging: EventPagingDep
) -> EventPage:
    """Return a page of the tag changes of an image, newest first.

    The history is that of the image since the service records it. Every viewer of the image can read it.
    """
    query = f"image {image_id}"
    before = paging.before(query)
    image = await ImageRepository(session).get_visible(image_id, principal)
    events = await HistoryRepository(session).list_of_image(image.id, before, paging.fetch_limit)
    return paging.page(events, query)
