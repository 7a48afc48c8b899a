"""How many images match: exactly, or about."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.driver import fetch_value
from app.search.images import ImageSearch
from app.search.sql import Values

# Up to so many matches are counted, 1 microsecond each.
COUNTED = 4_000
# To look whether there are more, the index reads all that have the tags: no more than so many, 0.1 microseconds each.
READ_AT_ONCE = 40_000
# Else so many images are looked at, in pages of the table. Where so many of them match, they tell the number to a third
# either way; where fewer do, there are few.
SAMPLED = 10_000
TELLING = 40


async def count_exactly(session: AsyncSession, search: ImageSearch) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    values = Values()
    statement = f"SELECT count(*) FROM images WHERE {search.condition(values)}"  # noqa: S608 - of constants, as all below
    return int(await fetch_value(session, statement, values.listed))


async def estimate(session: AsyncSession, search: ImageSearch) -> int:
    """Return about the number of matches: exact while they are few, else from a sample of the table's pages."""
    images = await _count_roughly(session)
    if images <= SAMPLED or (search.indexed and search.at_most <= READ_AT_ONCE):
        counted = await _count_up_to(session, search, SAMPLED if images <= SAMPLED else COUNTED)
        if counted is not None:
            return counted
    if search.unrestricted:
        return round(images)
    share = min(1.0, SAMPLED / images)
    hits = await _count_in_sample(session, search, share)
    if hits < TELLING and search.indexed:
        counted = await _count_up_to(session, search, COUNTED)
        if counted is not None:
            return counted
    return round(hits / share)


async def _count_in_sample(session: AsyncSession, search: ImageSearch, share: float) -> int:
    """Return the number of matches in about this share of the images."""
    values = Values()
    sampled = f"images TABLESAMPLE SYSTEM ({values.bind(100 * share, 'real')}) REPEATABLE (1)"
    statement = f"SELECT count(*) FROM {sampled} WHERE {search.condition(values)}"  # noqa: S608
    return int(await fetch_value(session, statement, values.listed))


async def _count_up_to(session: AsyncSession, search: ImageSearch, most: int) -> int | None:
    """Return the number of matches, None where there are more than `most`."""
    values = Values()
    some = f"SELECT id FROM images WHERE {search.condition(values)} LIMIT {values.bind(most + 1)}"  # noqa: S608
    counted = int(await fetch_value(session, f"SELECT count(*) FROM ({some}) AS counted", values.listed))  # noqa: S608
    return counted if counted <= most else None


async def _count_roughly(session: AsyncSession) -> float:
    """Return about how many images there are, as PostgreSQL last counted them."""
    estimated = await fetch_value(session, "SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass", ())
    return max(float(estimated), 1.0)
