"""Counts the matches of a query, exactly or approximately."""

from typing import Literal, NamedTuple

from app.db.asyncpg_queries import Reader
from app.db.sql_text import BindParameters
from app.search.bitmap_index.bitmap_queries import count_by_bitmaps
from app.search.executor import SearchExecutor
from app.search.planning.bitmap_coverage import is_count_by_bitmaps_cheaper
from app.search.planning.table_sample import take_sample
from app.search.repository import count_matches, count_matches_of_tag, count_matches_up_to, estimate_images


class MatchCount(NamedTuple):
    """The number of matches, and how it was found."""

    value: int
    accuracy: Literal["exact", "estimate"]


async def count_exactly(session: Reader, search: SearchExecutor) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    count = await count_if_cheap(session, search)
    return await count_matches(session, search.predicates) if count is None else count


async def count_if_cheap(session: Reader, search: SearchExecutor) -> int | None:
    """Return the number of matches by the count of a tag or by the bitmaps; None for other queries."""
    if (tag := search.predicates.only_tag) is not None:
        return await count_matches_of_tag(session, search.predicates, tag)
    return await _count_by_bitmaps(session, search)


async def count_cheaply(session: Reader, search: SearchExecutor) -> MatchCount | None:
    """Return the number of matches of a tag, by the bitmaps or in a small collection, or that of all images."""
    if (count := await count_if_cheap(session, search)) is not None:
        return MatchCount(count, "exact")
    images, most = await estimate_images(session), search.engine.costs.count_sample
    if images <= most and (count := await count_matches_up_to(session, search.predicates, most)) is not None:
        return MatchCount(count, "exact")
    return MatchCount(round(images), "estimate") if search.predicates.is_unrestricted else None


async def estimate_count(session: Reader, search: SearchExecutor) -> int:
    """Return the approximate number of matches: exact if that is cheap, else from a sample. Raises QueryTimeout."""
    predicates, costs = search.predicates, search.engine.costs
    if (count := await _count_by_bitmaps(session, search)) is not None:
        return count
    images = await estimate_images(session)
    is_small = images <= costs.count_sample
    has_few_matches = predicates.is_indexed and predicates.independent_matches <= costs.count_up_to
    if is_small or has_few_matches:
        limit = costs.count_sample if is_small else costs.count_up_to
        if (count := await count_matches_up_to(session, predicates, limit)) is not None:
            return count
    if predicates.is_unrestricted:
        return round(images)
    values = BindParameters()
    sample = await take_sample(session, predicates.visible_condition(values), values, costs.count_sample)
    is_worth_counting = predicates.is_indexed and not has_few_matches
    if sample.matches < costs.min_sample_matches and is_worth_counting:
        count = await count_matches_up_to(session, predicates, costs.count_up_to)
        if count is not None:
            return count
    return round(sample.matches / sample.share) if sample.matches else 0


async def _count_by_bitmaps(session: Reader, search: SearchExecutor) -> int | None:
    """Return the number of matches; None if the bitmaps are disabled, more expensive or not up to date."""
    if not search.engine.uses_bitmaps or not is_count_by_bitmaps_cheaper(search.predicates):
        return None
    return await count_by_bitmaps(session, search.predicates, search.engine.costs.max_queued_for_count)
