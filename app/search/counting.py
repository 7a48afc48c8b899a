"""How many images match: exactly, or about."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.search.images import ImageSearch
from app.search.sql import Values

# Up to so many matches are counted, 2 microseconds each.
COUNTED = 2_000
# Beyond it, so many images are looked at, in pages of the table: of 1,000,000 some 40 or more of them match then, which
# tell the number to a third either way.
SAMPLED = 20_000


async def count_exactly(session: AsyncSession, search: ImageSearch) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    values = Values()
    statement = f"SELECT count(*) FROM images WHERE {search.condition(values)}"  # noqa: S608 - of constants, as all below
    return await session.scalar(text(statement), values.by_name) or 0


async def estimate(session: AsyncSession, search: ImageSearch) -> int:
    """Return about the number of matches: exact while they are few, else from a sample of the table's pages."""
    images = await _count_roughly(session)
    if search.indexed or images <= SAMPLED:
        counted = await _count_up_to(session, search, COUNTED if images > SAMPLED else SAMPLED)
        if counted is not None:
            return counted
    if search.unrestricted:
        return round(images)
    values = Values()
    percent = min(100.0, 100 * SAMPLED / images)
    sampled = f"images TABLESAMPLE SYSTEM ({values.bind(percent, 'real')}) REPEATABLE (1)"
    statement = f"SELECT count(*) FROM {sampled} WHERE {search.condition(values)}"  # noqa: S608
    hits = await session.scalar(text(statement), values.by_name)
    return round((hits or 0) * 100 / percent)


async def _count_up_to(session: AsyncSession, search: ImageSearch, most: int) -> int | None:
    """Return the number of matches, None where there are more than `most`."""
    values = Values()
    some = f"SELECT id FROM images WHERE {search.condition(values)} LIMIT {values.bind(most + 1)}"  # noqa: S608
    counted = await session.scalar(text(f"SELECT count(*) FROM ({some}) AS counted"), values.by_name)  # noqa: S608
    return counted if counted is not None and counted <= most else None


async def _count_roughly(session: AsyncSession) -> float:
    """Return about how many images there are, as PostgreSQL last counted them."""
    estimated = await session.scalar(text("SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass"))
    return max(float(estimated or 0), 1.0)
