"""SQL of the report of duplicates: groups of an account's own images.

A group is an image with those of its duplicates that are newer. A group that is a part of another one is left out, so
the image is the oldest one with these bytes or pixels. A near copy of a near copy need not be one of the first image:
then both have groups. A group of which all images are of a closer kind is left out, too.

The report examines the images of the account from the oldest on. So a page costs the same at every position, and new
images come last.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import ARRAY, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.keyset import Position
from app.similarity.hash_chunks import CHUNK_BITS, MAX_DISTANCE
from app.similarity.repository import SimilarityKind

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
_PIXELS = text(f"""
    WITH groups AS (
        SELECT {_OLDEST} AS images FROM image_hashes JOIN images ON id = image_id
        WHERE uploaded_by = :owner AND pixel_sha256 = ANY(ARRAY(
            SELECT DISTINCT pixel_sha256 FROM image_hashes WHERE image_id = ANY(:ids) AND pixel_sha256 IS NOT NULL
        ))
        GROUP BY pixel_version, pixel_sha256 HAVING count(DISTINCT sha256) > 1
    )
    SELECT images FROM groups WHERE images[1] = ANY(:ids)""").bindparams(_IDS)  # noqa: S608
# The keys are those of `list_search_keys`: each chunk, and those that differ from it in one bit.
_KEYS = f"""
    ARRAY(
        SELECT chunk FROM unnest(chunks) AS chunk
        UNION ALL SELECT chunk # (1 << bit) FROM unnest(chunks) AS chunk, generate_series(0, {CHUNK_BITS - 1}) AS bit
    )"""  # noqa: S608
_NEAR = text(f"""
    WITH examined AS MATERIALIZED (
        SELECT id, created_at, sha256, pixel_version, pixel_sha256, version, perceptual_hash, {_KEYS} AS keys
        FROM images JOIN image_hashes ON image_id = id WHERE id = ANY(:ids) AND chunks IS NOT NULL
    ), near AS MATERIALIZED (
        SELECT e.id AS examined, n.* FROM examined e CROSS JOIN LATERAL (
            SELECT DISTINCT i.id, i.created_at, h.perceptual_hash,
                (i.created_at, i.id) > (e.created_at, e.id) AS is_newer,
                i.sha256 <> e.sha256 AND coalesce(
                    (h.pixel_version, h.pixel_sha256) <> (e.pixel_version, e.pixel_sha256), true
                ) AS is_different
            FROM unnest(e.keys) AS key JOIN image_hashes h ON h.chunks @> ARRAY[key] CROSS JOIN LATERAL (
                SELECT id, created_at, sha256 FROM images
                WHERE id = h.image_id AND uploaded_by = :owner AND id <> e.id OFFSET 0
            ) AS i
            WHERE h.version = e.version AND bit_count(h.perceptual_hash # e.perceptual_hash) <= {MAX_DISTANCE}
        ) AS n
    )
    SELECT examined || (array_agg(id ORDER BY created_at, id) FILTER (WHERE is_newer))[1:{MAX_IMAGES_OF_GROUP - 1}]
    FROM near GROUP BY examined HAVING bool_or(is_newer AND is_different) AND NOT EXISTS (
        SELECT FROM near o WHERE o.examined = near.examined AND NOT o.is_newer AND NOT EXISTS (
            SELECT FROM near m WHERE m.examined = near.examined AND m.is_newer
            AND bit_count(m.perceptual_hash # o.perceptual_hash) > {MAX_DISTANCE}
        )
    )""").bindparams(_IDS)  # noqa: S608
_STATEMENTS: Mapping[SimilarityKind, TextClause] = MappingProxyType(
    {SimilarityKind.BYTES: _BYTES, SimilarityKind.PIXELS: _PIXELS, SimilarityKind.NEAR: _NEAR}
)


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
        self, owner: uuid.UUID, kind: SimilarityKind, images: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, Sequence[uuid.UUID]]:
        """Return the groups of the account whose oldest images are among these, by that image; the oldest first."""
        values = {"owner": owner, "ids": list(images)}
        groups = await self._session.scalars(_STATEMENTS[kind], values)
        return {group[0]: group for group in groups}
