"""Counts the matches of a query, exactly or approximately."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.asyncpg_queries import fetch_value
from app.db.sql_text import Values
from app.models.tag import EXACT_COUNT
from app.search.bitmap_index.queries import count_by_bitmaps
from app.search.executor import SearchExecutor
from app.search.planning.bitmap_coverage import is_count_by_bitmaps_cheaper
from app.search.planning.predicates import QueryPredicates
from app.search.planning.table_sample import take_sample
from app.search.planning.tag_resolution import ESTIMATED_IMAGES


async def count_exactly(session: AsyncSession, search: SearchExecutor) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    values, predicates = Values(), search.predicates
    if (tag := predicates.only_tag) is None:
        if (count := await _count_by_bitmaps(session, search)) is not None:
            return count
        statement = f"SELECT count(*) FROM images WHERE {predicates.visible_condition(values)}"  # noqa: S608
    else:
        # The public images of each tag are already counted.
        private = f"SELECT count(*) FROM images WHERE {predicates.visible_private_condition(values)}"  # noqa: S608
        public = f"SELECT {EXACT_COUNT} FROM tags t WHERE t.id = {values.bind(tag)}"  # noqa: S608
        statement = f"SELECT coalesce(({public}), 0) + ({private})"
    return int(await fetch_value(session, statement, values.listed))


async def estimate_count(session: AsyncSession, search: SearchExecutor) -> int:
    """Return the approximate number of matches: exact if that is cheap, else from a sample. Raises QueryTimeout."""
    predicates, costs = search.predicates, search.engine.costs
    if (count := await _count_by_bitmaps(session, search)) is not None:
        return count
    images = float(await fetch_value(session, f"SELECT {ESTIMATED_IMAGES}", ()))
    is_small = images <= costs.count_sample
    has_few_matches = predicates.is_indexed and predicates.independent_matches <= costs.count_up_to
    if is_small or has_few_matches:
        limit = costs.count_sample if is_small else costs.count_up_to
        if (count := await _count_up_to(session, predicates, limit)) is not None:
            return count
    if predicates.is_unrestricted:
        return round(images)
    values = Values()
    sample = await take_sample(session, predicates.visible_condition(values), values, costs.count_sample)
    is_worth_counting = predicates.is_indexed and not has_few_matches
    if sample.matches < costs.min_sample_matches and is_worth_counting:
        count = await _count_up_to(session, predicates, costs.count_up_to)
        if count is not None:
            return count
    return round(sample.matches / sample.share) if sample.matches else 0


async def _count_by_bitmaps(session: AsyncSession, search: SearchExecutor) -> int | None:
    """Return the number of matches; None if the bitmaps are disabled, more expensive or not up to date."""
    if not search.engine.uses_bitmaps or not is_count_by_bitmaps_cheaper(search.predicates):
        return None
    return await count_by_bitmaps(session, search.predicates, search.engine.costs.max_queued_for_count)


async def _count_up_to(session: AsyncSession, predicates: QueryPredicates, limit: int) -> int | None:
    """Return the number of matches; None if there are more than `limit`."""
    values = Values()
    condition = predicates.visible_condition(values)
    ids = f"SELECT id FROM images WHERE {condition} LIMIT {values.bind(limit + 1)}"  # noqa: S608
    count = int(await fetch_value(session, f"SELECT count(*) FROM ({ids}) AS ids", values.listed))  # noqa: S608
    return count if count <= limit else None
