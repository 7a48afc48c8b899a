"""Suggests tags for an image."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import VisibilityScope, visibility_scope
from app.core.callers import current_caller
from app.core.fair_queue import FairQueue
from app.db.database import Database
from app.images.errors import ImageNotFound
from app.images.repository import ImageRepository
from app.images.suggestions.repository import Copy, SuggestedTag, list_suggested_tags
from app.similarity.hash_chunks import MAX_DISTANCE
from app.similarity.repository import MAX_MATCHES, SimilarImage, SimilarityRepository

# The nearest copies that vote.
MAX_COPIES = 100


class TagSuggester:
    """Suggests tags by the images that the principal may see."""

    def __init__(self, database: Database, queue: FairQueue) -> None:
        self._database, self._queue = database, queue

    async def list_tags(self, image_id: uuid.UUID, principal: Principal, limit: int) -> list[SuggestedTag]:
        """Return up to `limit` tags that the image lacks, the best first.

        Raises ImageNotFound, QueryTimeout, TooManyConcurrentRequests, DatabaseBusy.
        """
        scope = visibility_scope(principal)
        async with self._queue.enter(current_caller.get()), self._database.search_session() as session:
            image = await ImageRepository(session).get_visible(image_id, principal)
            copies = await _list_copies(session, image_id, scope)
            return await list_suggested_tags(session, image_id, image.tag_ids, copies, scope, limit)


async def _list_copies(session: AsyncSession, image_id: uuid.UUID, scope: VisibilityScope) -> list[Copy]:
    """Return the nearest visible copies of an image. Raises ImageNotFound."""
    similarity = SimilarityRepository(session)
    fingerprint = await similarity.find_visible_fingerprint(image_id, scope)
    if fingerprint is None:
        raise ImageNotFound
    similar = await similarity.list_similar(
        fingerprint, scope, MAX_DISTANCE, MAX_COPIES, except_for=image_id, max_matches=MAX_MATCHES
    )
    return [Copy(one.id, _similarity(one)) for one in similar]


def _similarity(image: SimilarImage) -> float:
    """Return 1 for a copy without a different bit, and 1/32 for one at the largest distance."""
    return 1 - image.distance / (MAX_DISTANCE + 1)
