"""The images of a bulk change, which a client names by ids or by a query."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.callers import current_caller
from app.core.fair_queue import FairQueue
from app.db.database import Database
from app.images.repository import ImageRepository
from app.images.trash.repository import TrashRepository
from app.search.errors import QueryTooBroad
from app.search.executor import SearchEngine
from app.search.language.parser import parse

MAX_MATCHES = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Ids of images or, without ids, a query."""

    query: str
    ids: Sequence[uuid.UUID] | None


class Selector(Protocol):
    """Finds the images of a selection that a caller may change."""

    async def list_matches(self, selection: Selection, principal: Principal) -> list[uuid.UUID]:
        """Return the sorted ids of the images: locks are taken in this order."""


class ImageSelector:
    """Finds images by ids or by a query."""

    def __init__(self, database: Database, search: SearchEngine, search_queue: FairQueue) -> None:
        self._database = database
        self._search = search
        self._search_queue = search_queue

    async def list_matches(self, selection: Selection, principal: Principal) -> list[uuid.UUID]:
        """Return the sorted ids of the images.

        Raises InvalidQuery, QueryTooBroad, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy.
        """
        scope, owner = visibility_scope(principal), None if principal.is_admin else principal.id
        async with self._search_queue.enter(current_caller.get()), self._database.search_session() as session:
            if selection.ids is None:
                search = await self._search.prepare(session, parse(selection.query), scope)
                found = await search.list_ids(owner, MAX_MATCHES + 1)
            else:
                found = await ImageRepository(session).list_visible_ids(selection.ids, scope, owner)
        if len(found) > MAX_MATCHES:
            raise QueryTooBroad(f"More than {MAX_MATCHES} images match. Use a narrower query.")
        return sorted(found)


class TrashSelector:
    """Finds images in the trash, only by ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_matches(self, selection: Selection, principal: Principal) -> list[uuid.UUID]:
        """Return the sorted ids of those of the images that are in the principal's trash."""
        async with self._database.read_session() as session:
            return sorted(await TrashRepository(session).list_ids(selection.ids or (), principal))
