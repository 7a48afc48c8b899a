"""Finds the copies of a new image."""

import contextlib
import uuid

from app.authz.visibility import VisibilityScope
from app.core.errors import Unavailable
from app.db.database import Database
from app.similarity.hash_chunks import MAX_DISTANCE
from app.similarity.repository import MAX_MATCHES, Fingerprint, SimilarityRepository

MAX_COPIES = 5
# The image is stored already: its response does not wait for long.
TIMEOUT_SECONDS = 2


class CopyFinder:
    """Finds the copies of an image that was just committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_copies(
        self, image_id: uuid.UUID, fingerprint: Fingerprint, visibility: VisibilityScope
    ) -> list[uuid.UUID]:
        """Return the ids of up to MAX_COPIES similar images, nearest first; none if the search fails.

        Of two images that are uploaded at once, the one that is committed last finds the other.
        """
        with contextlib.suppress(Unavailable):
            async with self._database.search_session(TIMEOUT_SECONDS) as session:
                similar = await SimilarityRepository(session).list_similar(
                    fingerprint,
                    visibility,
                    MAX_DISTANCE,
                    MAX_COPIES,
                    except_for=image_id,
                    max_matches=MAX_MATCHES,
                )
                return [one.id for one in similar]
        return []
