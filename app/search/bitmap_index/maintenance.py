"""Brings the bitmaps of the common tags up to date.

Counts are exact without it: they look at what is not mapped yet one by one. It keeps that little.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.concurrency import repeat
from app.db.database import Database
from app.models.bitmap import ALL_IMAGES, CHUNK, IMAGES_OF_TYPE, PUBLIC_IMAGES

# Tags that at least so many public images have get bitmaps, and keep them down to half of it. What fewer have is
# quickly counted one by one.
COMMON = 5_000
BATCH = 20_000
_ADVISORY_LOCK = 0x6269746D6170  # "bitmap"
_NO_TAGS = (ALL_IMAGES, PUBLIC_IMAGES, *IMAGES_OF_TYPE.values())
_BY_TYPE = " ".join(f"WHEN 'image/{name}' THEN {bitmap}" for name, bitmap in IMAGES_OF_TYPE.items())
_ZEROS = f"CAST(repeat('0', {CHUNK}) AS bit({CHUNK}))"
_BITS = f"bit_or(set_bit({_ZEROS}, n.ordinal % {CHUNK}, 1))"
# Every statement sees what was committed before it. An image that is changed meanwhile is on the list again, and
# what its bits say means nothing until its turn comes.
_TAKE = text("""
    WITH oldest AS (SELECT id FROM bitmap_index_queue ORDER BY id LIMIT :most)
    DELETE FROM bitmap_index_queue WHERE id IN (SELECT id FROM oldest) RETURNING image_id""")
# The next ones, and no sequence: it would not take back what a fold that fails has used.
_NUMBER = text("""
    INSERT INTO bitmap_ordinals (ordinal, image_id)
    SELECT (SELECT coalesce(max(ordinal), -1) FROM bitmap_ordinals) + row_number() OVER (ORDER BY created_at, id), id
    FROM images WHERE id = ANY(:images) AND NOT EXISTS (SELECT FROM bitmap_ordinals WHERE image_id = id)""")
_SPAN_CHUNKS = text(f"""
    INSERT INTO bitmap_chunks AS c (chunk, min_created_at, max_created_at)
    SELECT ordinal / {CHUNK} AS chunk, min(created_at), max(created_at)
    FROM images JOIN bitmap_ordinals ON image_id = id
    WHERE id = ANY(:images) GROUP BY 1
    ON CONFLICT (chunk) DO UPDATE
    SET min_created_at = least(c.min_created_at, excluded.min_created_at),
        max_created_at = greatest(c.max_created_at, excluded.max_created_at)""")  # noqa: S608 - of constants, as below
# The first images of all come when there are no bitmaps yet: with them those begin that are wanted then.
_OPEN_CHUNKS = text(f"""
    INSERT INTO tag_bitmaps (tag_id, chunk, bits)
    SELECT mapped.tag_id, chunk, {_ZEROS}
    FROM generate_series(
        (SELECT coalesce(max(chunk) + 1, 0) FROM tag_bitmaps), (SELECT max(ordinal) / {CHUNK} FROM bitmap_ordinals)
    ) AS chunk
    CROSS JOIN (
        SELECT tag_id FROM tag_bitmaps WHERE chunk = 0
        UNION ALL SELECT unnest(ARRAY[{", ".join(map(str, _NO_TAGS))}]) WHERE NOT EXISTS (SELECT FROM tag_bitmaps)
        UNION ALL SELECT id FROM tags WHERE image_count >= :common AND NOT EXISTS (SELECT FROM tag_bitmaps)
    ) AS mapped""")  # noqa: S608
_MAP = text(f"""
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
# Those that were gone when they were mapped: one that is deleted only now still has bits to be taken back.
_FORGET = text(f"""
    DELETE FROM bitmap_ordinals n USING tag_bitmaps b
    WHERE n.image_id = ANY(:images) AND b.tag_id = {ALL_IMAGES} AND b.chunk = n.ordinal / {CHUNK}
    AND get_bit(b.bits, n.ordinal % {CHUNK}) = 0""")  # noqa: S608
_MISSING = text("""
    SELECT id FROM tags WHERE image_count >= :common AND EXISTS (SELECT FROM tag_bitmaps)
    EXCEPT SELECT tag_id FROM tag_bitmaps WHERE chunk = 0 LIMIT 1""")
_ADD = text(f"""
    INSERT INTO tag_bitmaps (tag_id, chunk, bits)
    SELECT :tag, chunk, coalesce(found.bits, {_ZEROS}) FROM tag_bitmaps b LEFT JOIN (
        SELECT n.ordinal / {CHUNK} AS chunk, {_BITS} AS bits
        FROM images JOIN bitmap_ordinals n ON n.image_id = id WHERE tag_ids @> ARRAY[CAST(:tag AS int)] GROUP BY 1
    ) AS found USING (chunk) WHERE tag_id = {ALL_IMAGES}""")  # noqa: S608
_DROP = text(f"""
    DELETE FROM tag_bitmaps WHERE tag_id IN (
        SELECT b.tag_id FROM tag_bitmaps b WHERE chunk = 0 AND b.tag_id NOT IN ({", ".join(map(str, _NO_TAGS))})
        AND NOT EXISTS (SELECT FROM tags WHERE id = b.tag_id AND image_count >= :common / 2)
    )""")  # noqa: S608


class BitmapIndexUpdater:
    """Folds `bitmap_index_queue` into `tag_bitmaps`; safe to run in many processes at once."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        self._interval = interval

    async def run_forever(self) -> None:
        """Fold again and again; what is counted by the bitmaps is exact in between as well."""
        await repeat(self.fold, self._interval, "tag bitmaps")

    async def fold(self) -> None:
        """Map what is not mapped yet, then see to it that the common tags have bitmaps and no others."""
        while await self._fold_batch() == BATCH:
            pass
        while await self._add_missing():
            pass

    async def _fold_batch(self) -> int:
        async with self._database.upkeep(_ADVISORY_LOCK) as session:
            return 0 if session is None else await _map_some(session)

    async def _add_missing(self) -> bool:
        async with self._database.upkeep(_ADVISORY_LOCK) as session:
            return False if session is None else await _add_one(session)


async def _map_some(session: AsyncSession) -> int:
    """Map a batch; return how large it was."""
    taken: list[uuid.UUID] = list(await session.scalars(_TAKE, {"most": BATCH}))
    if taken:
        images = {"images": taken}
        await session.execute(_NUMBER, images)
        await session.execute(_SPAN_CHUNKS, images)
        await session.execute(_OPEN_CHUNKS, {"common": COMMON})
        await session.execute(_MAP, images)
        await session.execute(_FORGET, images)
    return len(taken)


async def _add_one(session: AsyncSession) -> bool:
    """Add the bitmaps of one tag that has become common; tell whether there was one."""
    await session.execute(_DROP, {"common": COMMON})
    tag = await session.scalar(_MISSING, {"common": COMMON})
    if tag is not None:
        await session.execute(_ADD, {"tag": tag})
    return tag is not None
