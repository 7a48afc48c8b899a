"""The pages of the report of duplicates."""

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from app.core.callers import current_caller
from app.core.fair_queue import FairQueue
from app.db.database import Database
from app.db.keyset import Position
from app.images.duplicates.repository import DuplicateRepository, ImagePosition
from app.images.repository import ImageRepository, TaggedImage
from app.similarity.repository import SimilarityKind

# A page ends after this time, also if it has no group. A statement can take longer by its part of the images.
PAGE_SECONDS = 1.0
MAX_IMAGES_OF_PAGE = 1000
# Images that one statement examines.
EXAMINED: Mapping[SimilarityKind, int] = MappingProxyType(
    {SimilarityKind.BYTES: 2000, SimilarityKind.PIXELS: 2000, SimilarityKind.NEAR: 10}
)
START: Position = (datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0))


class Group(NamedTuple):
    """The oldest image of a group, and the ids of all its images."""

    oldest: ImagePosition
    images: Sequence[uuid.UUID]


class GroupPage(NamedTuple):
    """Groups, and the position after which the next page begins; None after the last page."""

    groups: list[list[TaggedImage]]
    position: Position | None


class DuplicateReport:
    """Finds groups of duplicates among the images of one account."""

    def __init__(self, database: Database, queue: FairQueue, owner: uuid.UUID) -> None:
        self._database, self._queue, self._owner = database, queue, owner

    async def list_groups(self, kind: SimilarityKind, after: Position, limit: int) -> GroupPage:
        """Return up to `limit` groups after the position, those of the oldest images first.

        Raises QueryTimeout, TooManyConcurrentRequests, DatabaseBusy.
        """
        groups: list[Group] = []
        position: Position | None = after
        async with self._queue.enter(current_caller.get()), self._database.search_session() as session:
            repository, deadline = DuplicateRepository(session), time.monotonic() + PAGE_SECONDS
            while position is not None and len(groups) <= limit:
                images = await repository.list_next(self._owner, position, EXAMINED[kind])
                found = await repository.list_groups(self._owner, kind, [image.id for image in images])
                groups += [Group(image, found[image.id]) for image in images if image.id in found]
                position = (images[-1].created_at, images[-1].id) if len(images) == EXAMINED[kind] else None
                if time.monotonic() >= deadline:
                    break
            kept = _cut(groups, limit)
            if len(kept) < len(groups):
                position = (kept[-1].oldest.created_at, kept[-1].oldest.id)
            tagged = await ImageRepository(session).list_tagged([image for group in kept for image in group.images])
        # Images can be deleted in between.
        pages = [[tagged[image] for image in group.images if image in tagged] for group in kept]
        return GroupPage([images for images in pages if len(images) > 1], position)


def _cut(groups: Sequence[Group], limit: int) -> list[Group]:
    """Return the groups of a page: up to `limit`, and up to MAX_IMAGES_OF_PAGE images."""
    kept: list[Group] = []
    images = 0
    for group in groups[:limit]:
        images += len(group.images)
        if kept and images > MAX_IMAGES_OF_PAGE:
            break
        kept.append(group)
    return kept
