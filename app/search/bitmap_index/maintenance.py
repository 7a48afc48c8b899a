"""Keeps the bitmaps of the common tags up to date, from the queue of changed images.

Counts are exact without it, because they look queued images up one by one. It keeps the queue short.
"""

import uuid

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.concurrency import repeat
from app.db.database import Database
from app.models.bitmap import ALL_IMAGES, CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES
from app.search.planning import cost_model
from app.search.planning.cost_model import UPDATE_BATCH

_ADVISORY_LOCK = 0x6269746D6170  # "bitmap"
_IMAGE_SETS = (ALL_IMAGES, PUBLIC_IMAGES, *IMAGES_OF_TYPE.values())
_CONTENT_TYPES = {bitmap: f"image/{name}" for name, bitmap in IMAGES_OF_TYPE.items()}
_BY_TYPE = " ".join(f"WHEN '{content_type}' THEN {bitmap}" for bitmap, content_type in _CONTENT_TYPES.items())
_ZEROS = f"CAST(repeat('0', {CHUNK}) AS bit({CHUNK}))"
_BITS = f"bit_or(set_bit({_ZEROS}, n.ordinal % {CHUNK}, 1))"
# Each statement sees what was committed before it. An image that changes meanwhile is queued again, and its bits do
# not count until its turn comes.
_TAKE_QUEUED = text("""
    WITH oldest AS (SELECT id FROM bitmap_index_queue ORDER BY id LIMIT :most)
    DELETE FROM bitmap_index_queue WHERE id IN (SELECT id FROM oldest) RETURNING image_id""")
# Not a sequence, which would leave gaps after a failed update. The stride is 1 except in tests.
_ASSIGN_ORDINALS = text("""
    INSERT INTO bitmap_ordinals (ordinal, image_id)
    SELECT (SELECT coalesce(max(ordinal), -1) FROM bitmap_ordinals)
        + CAST(:stride AS int) * row_number() OVER (ORDER BY created_at, id), id
    FROM images WHERE id = ANY(:images) AND NOT EXISTS (SELECT FROM bitmap_ordinals WHERE image_id = id)""")
_EXTEND_CHUNK_TIMES = text(f"""
    INSERT INTO bitmap_chunks AS c (chunk, min_created_at, max_created_at)
    SELECT ordinal / {CHUNK} AS chunk, min(created_at), max(created_at)
    FROM images JOIN bitmap_ordinals ON image_id = id
    WHERE id = ANY(:images) GROUP BY 1
    ON CONFLICT (chunk) DO UPDATE
    SET min_created_at = least(c.min_created_at, excluded.min_created_at),
        max_created_at = greatest(c.max_created_at, excluded.max_created_at)""")  # noqa: S608 - of constants
# Without any bitmaps yet, the first chunk starts those of the image sets and of the common tags.
_ADD_CHUNKS = text(f"""
    INSERT INTO tag_bitmaps (tag_id, chunk, bits)
    SELECT tag.tag_id, chunk, {_ZEROS}
    FROM generate_series(
        (SELECT coalesce(max(chunk) + 1, 0) FROM tag_bitmaps), (SELECT max(ordinal) / {CHUNK} FROM bitmap_ordinals)
    ) AS chunk
    CROSS JOIN (
        SELECT tag_id FROM tag_bitmaps WHERE chunk = 0
        UNION ALL SELECT unnest(ARRAY[{", ".join(map(str, _IMAGE_SETS))}]) WHERE NOT EXISTS (SELECT FROM tag_bitmaps)
        UNION ALL SELECT id FROM tags WHERE image_count >= :common AND NOT EXISTS (SELECT FROM tag_bitmaps)
    ) AS tag""")  # noqa: S608
_UPDATE_BITS = text(f"""
    WITH taken AS MATERIALIZED (SELECT image_id, ordinal FROM bitmap_ordinals WHERE image_id = ANY(:images)),
    touched AS (SELECT n.ordinal / {CHUNK} AS chunk, {_BITS} AS bits FROM taken n GROUP BY 1),
    found AS (
        SELECT t.tag_id, n.ordinal / {CHUNK} AS chunk, {_BITS} AS bits
        FROM taken n JOIN images ON id = n.image_id CROSS JOIN LATERAL unnest(tag_ids || ARRAY[
            {ALL_IMAGES}, CASE visibility WHEN 'public' THEN {PUBLIC_IMAGES} END, CASE content_type {_BY_TYPE} END
        ]) AS t(tag_id)
        WHERE t.tag_id IN (SELECT tag_id FROM tag_bitmaps WHERE chunk = 0)
        GROUP BY 1, 2
    ), changed AS (
        SELECT tag_id, chunk, (b.bits & ~touched.bits) | coalesce(found.bits, {_ZEROS}) AS bits
        FROM tag_bitmaps b JOIN touched USING (chunk) LEFT JOIN found USING (tag_id, chunk)
    )
    UPDATE tag_bitmaps b SET bits = c.bits
    FROM changed c WHERE b.tag_id = c.tag_id AND b.chunk = c.chunk AND b.bits <> c.bits""")  # noqa: S608
# Images that were deleted before the update of the bits. One that is deleted only now still has bits to clear. An image
# in the trash keeps its ordinal: after a restore, another one would widen the range of the newest chunk.
_DELETE_ORDINALS = text(f"""
    DELETE FROM bitmap_ordinals n USING tag_bitmaps b
    WHERE n.image_id = ANY(:images) AND b.tag_id = {ALL_IMAGES} AND b.chunk = n.ordinal / {CHUNK}
    AND get_bit(b.bits, n.ordinal % {CHUNK}) = 0
    AND NOT EXISTS (SELECT FROM trashed_images t WHERE t.id = n.image_id)""")  # noqa: S608
# An index of an earlier version has no bitmaps of the types that are new.
_FIND_MISSING_TAG = text(f"""
    SELECT id FROM (
        SELECT id FROM tags WHERE image_count >= :common
        UNION ALL SELECT unnest(ARRAY[{", ".join(map(str, _CONTENT_TYPES))}])
    ) AS wanted WHERE EXISTS (SELECT FROM tag_bitmaps)
    EXCEPT SELECT tag_id FROM tag_bitmaps WHERE chunk = 0 LIMIT 1""")  # noqa: S608 - of constants


def _add_bitmap(condition: str) -> TextClause:
    """Return the statement that adds the bitmap `:tag` of the images with this condition."""
    return text(f"""
        INSERT INTO tag_bitmaps (tag_id, chunk, bits)
        SELECT :tag, chunk, coalesce(found.bits, {_ZEROS}) FROM tag_bitmaps b LEFT JOIN (
            SELECT n.ordinal / {CHUNK} AS chunk, {_BITS} AS bits
            FROM images JOIN bitmap_ordinals n ON n.image_id = id WHERE {condition} GROUP BY 1
        ) AS found USING (chunk) WHERE tag_id = {ALL_IMAGES}""")  # noqa: S608


_ADD_TAG = _add_bitmap("tag_ids @> ARRAY[CAST(:tag AS int)]")
_ADD_TYPE = _add_bitmap("content_type = :content_type")
_DROP_RARE_TAGS = text(f"""
    DELETE FROM tag_bitmaps WHERE tag_id IN (
        SELECT b.tag_id FROM tag_bitmaps b WHERE chunk = 0 AND b.tag_id NOT IN ({", ".join(map(str, _IMAGE_SETS))})
        AND NOT EXISTS (SELECT FROM tags WHERE id = b.tag_id AND image_count >= :common / 2)
    )""")  # noqa: S608


class BitmapIndexUpdater:
    """Moves images from `bitmap_index_queue` into `tag_bitmaps`. Safe to run in many processes at once."""

    def __init__(
        self, database: Database, interval: float, *, batch_size: int = UPDATE_BATCH, ordinal_stride: int = 1
    ) -> None:
        self._database = database
        self._interval = interval
        self._batch_size = batch_size
        self._ordinal_stride = ordinal_stride

    async def run_forever(self) -> None:
        """Update once in each interval."""
        await repeat(self.update, self._interval, "tag bitmaps")

    async def update(self) -> None:
        """Empty the queue, then add the bitmaps of tags that became common and drop those of rare tags."""
        while await self._update_batch() == self._batch_size:
            pass
        while await self._add_missing():
            pass

    async def _update_batch(self) -> int:
        async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
            return 0 if session is None else await _update_images(session, self._batch_size, self._ordinal_stride)

    async def _add_missing(self) -> bool:
        async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
            return False if session is None else await _add_one_tag(session)


async def _update_images(session: AsyncSession, batch_size: int, stride: int) -> int:
    """Update the bits of a batch and return its size."""
    taken: list[uuid.UUID] = list(await session.scalars(_TAKE_QUEUED, {"most": batch_size}))
    if taken:
        images = {"images": taken}
        await session.execute(_ASSIGN_ORDINALS, {**images, "stride": stride})
        await session.execute(_EXTEND_CHUNK_TIMES, images)
        await session.execute(_ADD_CHUNKS, {"common": cost_model.COMMON_TAG_IMAGES})
        await session.execute(_UPDATE_BITS, images)
        await session.execute(_DELETE_ORDINALS, images)
    return len(taken)


async def _add_one_tag(session: AsyncSession) -> bool:
    """Drop the bitmaps of rare tags, add those of one common tag or type, and return whether there was one."""
    common = {"common": cost_model.COMMON_TAG_IMAGES}
    await session.execute(_DROP_RARE_TAGS, common)
    tag = await session.scalar(_FIND_MISSING_TAG, common)
    if tag in _CONTENT_TYPES:
        await session.execute(_ADD_TYPE, {"tag": tag, "content_type": _CONTENT_TYPES[tag]})
    elif tag is not None:
        await session.execute(_ADD_TAG, {"tag": tag})
    return tag is not None
