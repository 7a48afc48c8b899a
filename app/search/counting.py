"""How many images match: exactly, or about."""

from sqlalchemy import ColumnElement, func, literal, select, tablesample, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import Image
from app.search.images import ImageSearch

# Up to so many matches, counting them costs no more than a sample; beyond it, a sample of as many rows is good enough.
COUNTED = 20_000


async def count_exactly(session: AsyncSession, search: ImageSearch) -> int:
    """Return the number of matches. Raises QueryTimeout."""
    return await session.scalar(select(func.count()).select_from(Image).where(search.condition())) or 0


async def estimate(session: AsyncSession, search: ImageSearch) -> int:
    """Return about the number of matches: exact while they are few, else from a sample of the table's pages."""
    images = await _count_roughly(session)
    if search.indexed or images <= COUNTED:
        counted = await _count_up_to(session, search.condition(), COUNTED + 1)
        if counted <= COUNTED:
            return counted
    if search.unrestricted:
        return round(images)
    percent = min(100.0, 100 * COUNTED / images)
    sampled = aliased(Image, tablesample(Image.__table__, func.system(percent), seed=literal(1)))
    hits = await session.scalar(select(func.count()).select_from(sampled).where(search.condition(sampled)))
    return round((hits or 0) * 100 / percent)


async def _count_up_to(session: AsyncSession, condition: ColumnElement[bool], limit: int) -> int:
    some = select(Image.id).where(condition).limit(limit).subquery()
    return await session.scalar(select(func.count()).select_from(some)) or 0


async def _count_roughly(session: AsyncSession) -> float:
    """Return about how many images there are, as PostgreSQL last counted them."""
    estimated = await session.scalar(text("SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass"))
    return max(float(estimated or 0), 1.0)
