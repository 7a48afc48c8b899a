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
_BITS = f"bit_or(set_bit({_ZEROS}, n.number % {CHUNK}, 1))"
# Every statement sees what was committed before it. An image that is changed meanwhile is on the list again, and
# what its bits say means nothing until its turn comes.
_TAKE = text("""
    WITH oldest AS (SELECT id FROM unmapped_images ORDER BY id LIMIT :most)
    DELETE FROM unmapped_images WHERE id IN (SELECT id FROM oldest) RETURNING image""")
# The next ones, and no sequence: it would not take back what a fold that fails has used.
_NUMBER = text("""
    INSERT INTO image_numbers (number, image)
    SELECT (SELECT coalesce(max(number), -1) FROM image_numbers) + row_number() OVER (ORDER BY created_at, id), id
    FROM images WHERE id = ANY(:images) AND NOT EXISTS (SELECT FROM image_numbers WHERE image = id)""")
_SPAN_CHUNKS = text(f"""
    INSERT INTO image_chunks AS c (chunk, oldest, newest)
    SELECT number / {CHUNK} AS chunk, min(created_at), max(created_at) FROM images JOIN image_numbers ON image = id
    WHERE id = ANY(:images) GROUP BY 1
    ON CONFLICT (chunk) DO UPDATE
    SET oldest = least(c.oldest, excluded.oldest), newest = greatest(c.newest, excluded.newest)""")  # noqa: S608 - of constants, as below
# The first images of all come when there are no bitmaps yet: with them those begin that are wanted then.
_OPEN_CHUNKS = text(f"""
    INSERT INTO tag_bitmaps (tag, chunk, bits)
    SELECT mapped.tag, chunk, {_ZEROS}
    FROM generate_series(
        (SELECT coalesce(max(chunk) + 1, 0) FROM tag_bitmaps), (SELECT max(number) / {CHUNK} FROM image_numbers)
    ) AS chunk
    CROSS JOIN (
        SELECT tag FROM tag_bitmaps WHERE chunk = 0
        UNION ALL SELECT unnest(ARRAY[{", ".join(map(str, _NO_TAGS))}]) WHERE NOT EXISTS (SELECT FROM tag_bitmaps)
        UNION ALL SELECT id FROM tags WHERE images >= :common AND NOT EXISTS (SELECT FROM tag_bitmaps)
    ) AS mapped""")  # noqa: S608
_MAP = text(f"""
    WITH taken AS MATERIALIZED (SELECT image, number FROM image_numbers WHERE image = ANY(:images)),
    touched AS (SELECT n.number / {CHUNK} AS chunk, {_BITS} AS bits FROM taken n GROUP BY 1),
    found AS (
        SELECT t.tag, n.number / {CHUNK} AS chunk, {_BITS} AS bits
        FROM taken n JOIN images ON id = n.image CROSS JOIN LATERAL unnest(tag_ids || ARRAY[
            {ALL_IMAGES}, CASE visibility WHEN 'public' THEN {PUBLIC_IMAGES} END, CASE content_type {_BY_TYPE} END
        ]) AS t(tag)
        WHERE t.tag IN (SELECT tag FROM tag_bitmaps WHERE chunk = 0)
        GROUP BY 1, 2
    ), changed AS (
        SELECT tag, chunk, (b.bits & ~touched.bits) | coalesce(found.bits, {_ZEROS}) AS bits
        FROM tag_bitmaps b JOIN touched USING (chunk) LEFT JOIN found USING (tag, chunk)
    )
    UPDATE tag_bitmaps b SET bits = c.bits
    FROM changed c WHERE b.tag = c.tag AND b.chunk = c.chunk AND b.bits <> c.bits""")  # noqa: S608
# Those that were gone when they were mapped: one that is deleted only now still has bits to be taken back.
_FORGET = text(f"""
    DELETE FROM image_numbers n USING tag_bitmaps b
    WHERE n.image = ANY(:images) AND b.tag = {ALL_IMAGES} AND b.chunk = n.number / {CHUNK}
    AND get_bit(b.bits, n.number % {CHUNK}) = 0""")  # noqa: S608
_MISSING = text("""
    SELECT id FROM tags WHERE images >= :common AND EXISTS (SELECT FROM tag_bitmaps)
    EXCEPT SELECT tag FROM tag_bitmaps WHERE chunk = 0 LIMIT 1""")
_ADD = text(f"""
    INSERT INTO tag_bitmaps (tag, chunk, bits)
    SELECT :tag, chunk, coalesce(found.bits, {_ZEROS}) FROM tag_bitmaps b LEFT JOIN (
        SELECT n.number / {CHUNK} AS chunk, {_BITS} AS bits
        FROM images JOIN image_numbers n ON n.image = id WHERE tag_ids @> ARRAY[CAST(:tag AS int)] GROUP BY 1
    ) AS found USING (chunk) WHERE tag = {ALL_IMAGES}""")  # noqa: S608
_DROP = text(f"""
    DELETE FROM tag_bitmaps WHERE tag IN (
        SELECT b.tag FROM tag_bitmaps b WHERE chunk = 0 AND b.tag NOT IN ({", ".join(map(str, _NO_TAGS))})
        AND NOT EXISTS (SELECT FROM tags WHERE id = b.tag AND images >= :common / 2)
    )""")  # noqa: S608


class BitmapIndexUpdater:
    """Folds `unmapped_images` into `tag_bitmaps`; safe to run in many processes at once."""

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
