"""Finds the images that are similar to a stored image or to a file."""

import uuid
from typing import NamedTuple

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.core.callers import current_caller
from app.core.fair_queue import FairQueue
from app.db.asyncpg_queries import Reader
from app.db.database import Database
from app.images.errors import ImageNotFound
from app.images.repository import list_rows
from app.search.strategies.row import ImageRow
from app.similarity.repository import Fingerprint, SimilarImage, SimilarImageReader


class TaggedSimilarImage(NamedTuple):
    """A similar image, with its row and its tags."""

    similar: SimilarImage
    image: ImageRow


class SimilarityBounds(NamedTuple):
    """The bounds of a search for similar images: the largest distance in bits, and the largest number."""

    max_distance: int
    limit: int


class SimilarImageService:
    """Finds similar images that the principal may see. Each client has a few slots of the queue of searches."""

    def __init__(self, database: Database, queue: FairQueue) -> None:
        self._database = database
        self._queue = queue

    async def list_of_image(
        self, image_id: uuid.UUID, principal: Principal, bounds: SimilarityBounds
    ) -> list[TaggedSimilarImage]:
        """Return the similar images of a stored one, nearest first.

        Raises ImageNotFound, QueryTimeout, TooManyRequests.
        """
        async with self._queue.enter(current_caller.get()), self._database.search_reader() as reader:
            scope = visibility_scope(principal)
            fingerprint = await SimilarImageReader(reader).find_visible_fingerprint(image_id, scope)
            if fingerprint is None:
                raise ImageNotFound
            return await _list_tagged(reader, fingerprint, principal, bounds, image_id)

    async def list_of_file(
        self, fingerprint: Fingerprint, principal: Principal, bounds: SimilarityBounds
    ) -> list[TaggedSimilarImage]:
        """Return the similar images of a file, nearest first. Raises QueryTimeout, TooManyRequests."""
        async with self._queue.enter(current_caller.get()), self._database.search_reader() as reader:
            return await _list_tagged(reader, fingerprint, principal, bounds, None)


async def _list_tagged(
    reader: Reader,
    fingerprint: Fingerprint,
    principal: Principal,
    bounds: SimilarityBounds,
    except_for: uuid.UUID | None,
) -> list[TaggedSimilarImage]:
    scope = visibility_scope(principal)
    similar = await SimilarImageReader(reader).list_similar(
        fingerprint, scope, bounds.max_distance, bounds.limit, except_for=except_for
    )
    # An image may have been deleted or hidden since.
    rows = await list_rows(reader, [one.id for one in similar])
    return [
        TaggedSimilarImage(one, row) for one in similar if (row := rows.get(one.id)) is not None and scope.sees(row)
    ]
