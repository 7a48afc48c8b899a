"""Adds the pending changes of the tag counts up.

Counts are exact without it: reads add what is pending. It keeps that little.
"""

from sqlalchemy import text

from app.core.concurrency import repeat
from app.db.database import Database

BATCH = 20_000
# One at a time: who comes second has nothing to do, and nobody waits.
_ADVISORY_LOCK = 0x636F756E74  # "count"
_COMPACT = text("""
    WITH oldest AS (SELECT id, tag_id FROM tag_count_deltas ORDER BY id LIMIT :most),
    -- In the order of the ids, as everyone locks tags; a tag that is being changed, which may take minutes, waits.
    locked AS (
        SELECT t.id FROM tags t WHERE t.id IN (SELECT tag_id FROM oldest) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM tag_count_deltas d USING oldest o WHERE d.id = o.id
        AND (d.tag_id IN (SELECT id FROM locked) OR NOT EXISTS (SELECT FROM tags t WHERE t.id = d.tag_id))
        RETURNING d.tag_id, d.delta
    ), summed AS (SELECT tag_id, sum(delta)::int AS delta FROM taken GROUP BY tag_id),
    folded AS (
        UPDATE tags SET image_count = image_count + summed.delta
        FROM summed WHERE tags.id = summed.tag_id AND summed.delta <> 0
    )
    SELECT count(*) FROM taken""")


class TagCountCompactor:
    """Folds `tag_count_deltas` into `tags.image_count`; safe to run in many processes at once."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        self._interval = interval

    async def run_forever(self) -> None:
        """Fold again and again; the counts are exact in between as well."""
        await repeat(self.compact, self._interval, "tag counts")

    async def compact(self) -> int:
        """Fold what is pending; return how many changes that were."""
        folded = 0
        while batch := await self._compact_batch():
            folded += batch
            if batch < BATCH:
                break
        return folded

    async def _compact_batch(self) -> int:
        # The counts that anybody is told stay what they are.
        async with self._database.advisory_locked(_ADVISORY_LOCK) as session:
            return 0 if session is None else await session.scalar(_COMPACT, {"most": BATCH}) or 0
