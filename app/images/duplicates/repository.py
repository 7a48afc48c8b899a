"""SQL of the report of duplicates: groups of an account's own images.

A group is an image with those of its duplicates that are newer. The report examines the images of the account from the
oldest on. So a page costs the same at every position, and new images come last.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import ARRAY, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.keyset import Position
from app.images.duplicates.duplicate_kind import DuplicateKind

# A larger group continues after a merge of these.
MAX_IMAGES_OF_GROUP = 100
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_NEXT = text("""
    SELECT id, created_at FROM images WHERE uploaded_by = :owner AND (created_at, id) > (:created_at, :id)
    ORDER BY created_at, id LIMIT :limit""")
_OLDEST = f"(array_agg(id ORDER BY created_at, id))[1:{MAX_IMAGES_OF_GROUP}]"
# The digests as an array: the planner does not know how few they are, and would read the whole table for a join.
_BYTES = text(f"""
    WITH groups AS (
        SELECT {_OLDEST} AS images FROM images
        WHERE uploaded_by = :owner AND sha256 = ANY(ARRAY(SELECT DISTINCT sha256 FROM images WHERE id = ANY(:ids)))
        GROUP BY sha256 HAVING count(*) > 1
    )
    SELECT images FROM groups WHERE images[1] = ANY(:ids)""").bindparams(_IDS)  # noqa: S608 - of constants
_STATEMENTS: Mapping[DuplicateKind, TextClause] = MappingProxyType({DuplicateKind.BYTES: _BYTES})


class ImagePosition(NamedTuple):
    """An image, and its place in the report."""

    id: uuid.UUID
    created_at: datetime


class DuplicateRepository:
    """The SQL of groups of duplicates."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_next(self, owner: uuid.UUID, after: Position, limit: int) -> list[ImagePosition]:
        """Return up to `limit` images of the account after the position, the oldest first."""
        values = {"owner": owner, "created_at": after[0], "id": after[1], "limit": limit}
        return [ImagePosition(*row) for row in await self._session.execute(_NEXT, values)]

    async def list_groups(
        self, owner: uuid.UUID, kind: DuplicateKind, images: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Sequence[uuid.UUID]]:
        """Return the groups of the account whose oldest images are among these, by that image; the oldest first."""
        values = {"owner": owner, "ids": list(images)}
        groups = await self._session.scalars(_STATEMENTS[kind], values)
        return {group[0]: group for group in groups}
