"""The reads of the gallery: a page of the grid, and an image with its neighbours."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from app.authz import policy
from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.errors import AppError
from app.core.pagination import CursorSigner
from app.db.database import Database
from app.history.repository import HistoryRepository
from app.images.repository import ImageRepository
from app.models import Image, TagEvent
from app.search.language import ast
from app.search.language.parser import parse
from app.search.planning.sort_order import SortKey, SortOrder
from app.search.service import PageRequest, SearchCursors, SearchPage, SearchService
from app.search.strategies.row import ImageRow

PAGE_SIZE = 60
SHOWN_EVENTS = 20


@dataclass(frozen=True, slots=True)
class Grid:
    """A page of the grid. `query` is the canonical form."""

    page: SearchPage
    query: str
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image, its newest events, and its neighbours in the order of a query: None at the ends, and if it fails."""

    image: Image
    tags: list[str]
    events: Sequence[TagEvent]
    can_edit: bool
    previous: uuid.UUID | None
    next: uuid.UUID | None


class Gallery:
    """Finds what the pages show. Every read respects the visibility of the viewer."""

    def __init__(self, database: Database, search: SearchService, cursors: CursorSigner) -> None:
        self._database, self._search, self._cursors = database, search, cursors

    async def find_images(self, text: str, sort: str, cursor: str | None, viewer: Principal) -> Grid:
        """Return a page of the images that match; the first one has their number if that is cheap to count.

        Raises what `parse` and the search raise, and InvalidCursor.
        """
        query, scope = parse(text), visibility_scope(viewer)
        cursors = SearchCursors(self._cursors, viewer.id, query, sort)
        after = cursors.decode(cursor)
        wanted = PageRequest(text, query, scope, cursors.order, after, PAGE_SIZE, "cheap" if after is None else "none")
        page = await self._search.fetch_page(wanted)
        return Grid(page, cursors.query, cursors.encode(page))

    async def read_image(self, image_id: uuid.UUID, text: str, sort: str, viewer: Principal) -> ImageView:
        """Return an image with its neighbours. Raises ImageNotFound; a query that fails gives no neighbours."""
        async with self._database.read_session() as session:
            image, tags = await ImageRepository(session).get_tagged(image_id, viewer)
            events = await HistoryRepository(session).list_of_image(image_id, None, SHOWN_EVENTS)
        previous, following = None, None
        # The page is about the image; a link with a damaged query still shows it.
        try:
            query, order = parse(text), SortOrder(sort)
            key = order.key_of(image)
            following = await self._find_after(query, order, key, viewer)
            # These two orders have two ranges of an index, so the opposite one is not their reverse.
            if order.start_digest is None and not order.has_nulls:
                previous = await self._find_after(query, order.reversed(), key, viewer)
        except AppError:
            pass
        return ImageView(image, tags, events, policy.can_edit(viewer, image), previous, following)

    async def _find_after(self, query: ast.Node, order: SortOrder, key: SortKey, viewer: Principal) -> uuid.UUID | None:
        wanted = PageRequest("", query, visibility_scope(viewer), order, key, 1, "none")
        images: list[ImageRow] = (await self._search.fetch_page(wanted)).images
        return images[0].id if images else None
