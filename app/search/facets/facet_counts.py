"""Counts the values of facets: exactly if that is cheap, else from a sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.db.asyncpg_queries import Reader
from app.search.count import count_if_cheap
from app.search.executor import SearchExecutor
from app.search.facets.repository import (
    BitmapTags,
    CountedFacets,
    FacetValue,
    count_values_by_bitmaps,
    count_values_up_to,
    list_bitmap_tags,
    sample_values,
)
from app.search.planning.bitmap_coverage import is_common, is_computable
from app.search.planning.facet_fields import FacetName
from app.search.planning.predicates import QueryPredicates
from app.search.repository import estimate_images


@dataclass(frozen=True, slots=True)
class Facets:
    """The number of matches, the most frequent values, and how they were counted."""

    total: int
    items: Sequence[FacetValue]
    accuracy: Literal["exact", "estimate"]


async def count_facets_exactly(session: Reader, search: SearchExecutor, name: FacetName, limit: int) -> Facets | None:
    """Return the facets from a look at each match or from the bitmaps; None if neither is cheap. Raises QueryTimeout.

    The bounds of the tags are on public images; the private ones count towards the limits of both.
    """
    costs, predicates = search.engine.costs, search.predicates
    counted = None
    has_few_matches = predicates.is_indexed and predicates.independent_matches <= costs.facet_matches
    if has_few_matches or await estimate_images(session) <= costs.facet_matches:
        counted = await count_values_up_to(session, predicates, name, limit, costs.facet_matches)
    if counted is None:
        counted = await _count_by_bitmaps(session, search, name, limit)
    return None if counted is None else Facets(counted.total, counted.items, "exact")


async def estimate_facets(session: Reader, search: SearchExecutor, name: FacetName, limit: int) -> Facets:
    """Return the facets from a sample, or exact ones if it hardly has a match and an index lists the rest.

    Raises QueryTimeout.
    """
    costs, predicates = search.engine.costs, search.predicates
    sample = await sample_values(session, predicates, name, limit, costs.facet_sample)
    if sample.matches < costs.min_sample_matches and predicates.is_indexed:
        counted = await count_values_up_to(session, predicates, name, limit, costs.facet_matches)
        if counted is not None:
            return Facets(counted.total, counted.items, "exact")
    if not sample.matches:
        return Facets(0, (), "estimate")
    total = await count_if_cheap(session, search)
    if total is None:
        total = round(sample.matches / sample.share)
    items = [FacetValue(value, max(1, round(images * total / sample.matches))) for value, images in sample.items]
    return Facets(total, items, "estimate")


async def _count_by_bitmaps(
    session: Reader, search: SearchExecutor, name: FacetName, limit: int
) -> CountedFacets | None:
    costs, predicates = search.engine.costs, search.predicates
    rare = sum(tag.images for tag in predicates.tags.all if not is_common(tag))
    if not search.engine.uses_bitmaps or not is_computable(predicates.query) or rare > costs.facet_lookups:
        return None
    if name == "tag":
        return await _count_tags(session, search, limit)
    if name in ("uploader", "camera"):
        return None
    return await count_values_by_bitmaps(session, predicates, name, limit, costs)


async def _count_tags(session: Reader, search: SearchExecutor, limit: int) -> CountedFacets | None:
    """Count the most frequent tags first. A tag cannot have more matches than images, which ends the search.

    See Fagin, Lotem and Naor, "Optimal aggregation algorithms for middleware", PODS 2001.
    """
    costs, predicates = search.engine.costs, search.predicates
    known = await list_bitmap_tags(session, costs.facet_bitmap_rows)
    read = _first_read(known, predicates, limit)
    while read:
        ids = [tag for tag, _ in known.tags[:read]]
        counted = await count_values_by_bitmaps(session, predicates, "tag", limit, costs, ids)
        if counted is None or len(counted.items) < limit:
            return None
        # A tag with this many images may have as many matches as the last one of the result.
        least = counted.items[-1].images - known.pending - counted.other
        needed = sum(images >= least for _, images in known.tags)
        if needed <= read and known.next_images < least:
            return counted
        read = needed if known.next_images < least else 0
    return None


def _first_read(known: BitmapTags, predicates: QueryPredicates, limit: int) -> int:
    """Return how many tags to count first: twice the limit; 0 if rarer tags would have to be counted in any case.

    The matches of the tag number `limit` are estimated as if they were independent of the query.
    """
    if len(known.tags) < limit:
        return 0
    share = min(1.0, predicates.max_matches / predicates.tags.total_images)
    return 2 * limit if share * known.tags[limit - 1][1] > known.next_images else 0
