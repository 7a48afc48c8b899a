"""How many images match, told from pages that lie evenly over the table."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.asyncpg_queries import fetch
from app.db.sql_text import Condition, Values

_ON_A_PAGE = 40


class Sample(NamedTuple):
    """On this `share` of the table's pages there are so many `images`, of which so many are `matching`."""

    matching: int
    images: int
    share: float


async def take_sample(session: AsyncSession, condition: Condition, values: Values, images: int) -> Sample:
    """Look at about so many images, 0.3 microseconds each, for a condition that has bound its values.

    Their pages are as far from each other (systematic sampling; Cochran, "Sampling Techniques", chapter 8): the table
    lies in the order of creation, and of a month's images each such sample has its share, which a random one has not.
    """
    # Of a table that was never analysed PostgreSQL knows no number: then there are as many on a page as there may be.
    page = "SELECT * FROM images WHERE ctid >= ('(' || page || ',0)')::tid AND ctid < ('(' || page + 1 || ',0)')::tid"
    statement = f"""
        WITH size AS MATERIALIZED (
            SELECT pages, greatest(round(rows / {values.bind(images, "float8")}), 1)::int8 AS step FROM (
                SELECT pages, CASE WHEN reltuples < 0 THEN pages * {_ON_A_PAGE} ELSE reltuples END AS rows
                FROM pg_class, LATERAL (
                    SELECT pg_relation_size(oid) / current_setting('block_size')::int AS pages
                ) AS measured WHERE oid = 'images'::regclass
            ) AS known
        )
        SELECT count(*) FILTER (WHERE {condition}), count(*),
            (SELECT ceil(pages::float8 / step) / greatest(pages, 1) FROM size)
        FROM size CROSS JOIN generate_series(0, pages - 1, step) AS page
        CROSS JOIN LATERAL ({page} OFFSET 0) AS images"""  # noqa: S608
    return Sample(*(await fetch(session, statement, values.listed))[0])
