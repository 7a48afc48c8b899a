"""How many images match: exactly, or about."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.asyncpg_queries import fetch_value
from app.db.sql_text import Values
from app.models.tag import EXACT_COUNT
from app.search.executor import SearchExecutor
from app.search.planning.tag_resolution import COLLECTION

# Up to so many matches are counted, 1 to 2 microseconds each; at once where there are no more if tags meet by chance.
COUNTED = 3_000
# Else so many images are looked at, in pages of the table, 0.3 microseconds each. Where so many of them match, they
# tell the number to a factor of 1.5 either way; where fewer do, there are few.
SAMPLED = 10_000
TELLING = 25


async def count_exactly(session: AsyncSession, search: SearchExecutor) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    values = Values()
    if (tag := search.only_tag) is None:
        if (mapped := await search.count_by_bitmaps()) is not None:
            return mapped
        statement = f"SELECT count(*) FROM images WHERE {search.condition(values)}"  # noqa: S608 - of constants, as below
    else:
        # The public ones are counted at all times.
        private = f"SELECT count(*) FROM images WHERE {search.private_condition(values)}"  # noqa: S608
        public = f"SELECT {EXACT_COUNT} FROM tags t WHERE t.id = {values.bind(tag)}"  # noqa: S608
        statement = f"SELECT coalesce(({public}), 0) + ({private})"
    return int(await fetch_value(session, statement, values.listed))


async def estimate(session: AsyncSession, search: SearchExecutor) -> int:
    """Return about the number of matches: exact where that is cheap, else from a sample of the table's pages."""
    if (mapped := await search.count_by_bitmaps()) is not None:
        return mapped
    images = float(await fetch_value(session, f"SELECT {COLLECTION}", ()))
    probably_few = search.indexed and search.by_chance <= COUNTED
    if images <= SAMPLED or probably_few:
        counted = await _count_up_to(session, search, SAMPLED if images <= SAMPLED else COUNTED)
        if counted is not None:
            return counted
    if search.unrestricted:
        return round(images)
    sample = await search.sample(SAMPLED)
    if sample.matching < TELLING and search.indexed and not probably_few:
        counted = await _count_up_to(session, search, COUNTED)
        if counted is not None:
            return counted
    return round(sample.matching / sample.share) if sample.matching else 0


async def _count_up_to(session: AsyncSession, search: SearchExecutor, most: int) -> int | None:
    """Return the number of matches, None where there are more than `most`."""
    values = Values()
    some = f"SELECT id FROM images WHERE {search.condition(values)} LIMIT {values.bind(most + 1)}"  # noqa: S608
    counted = int(await fetch_value(session, f"SELECT count(*) FROM ({some}) AS counted", values.listed))  # noqa: S608
    return counted if counted <= most else None
