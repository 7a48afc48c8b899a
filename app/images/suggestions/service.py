"""Suggests tags for an image."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.principal import Principal
from app.authz.visibility import visibility_scope
from app.db.database import Database
from app.images.repository import ImageRepository
from app.images.suggestions.repository import Copy, SuggestedTag, list_suggested_tags
from app.models import Image

# The nearest copies that vote.
MAX_COPIES = 100


class TagSuggester:
    """Suggests tags by the images that the principal may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_tags(self, image_id: uuid.UUID, principal: Principal, limit: int) -> list[SuggestedTag]:
        """Return up to `limit` tags that the image lacks, the best first. Raises ImageNotFound, QueryTimeout."""
        async with self._database.search_session() as session:
            image = await ImageRepository(session).get_visible(image_id, principal)
            copies = await _list_copies(session, image, principal)
            scope = visibility_scope(principal)
            return await list_suggested_tags(session, image_id, image.tag_ids, copies, scope, limit)


async def _list_copies(session: AsyncSession, image: Image, principal: Principal) -> list[Copy]:
    """Return the visible copies of an image."""
    ids = await ImageRepository(session).list_same_bytes(image, principal, MAX_COPIES)
    return [Copy(one, 1.0) for one in ids]
