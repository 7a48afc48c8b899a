"""Statements over all matches of a query: their ids and their number."""

import uuid

from app.db.asyncpg_queries import Reader, fetch, fetch_value
from app.db.sql_text import TRUE, BindParameters, sql_and
from app.models.tag import EXACT_COUNT
from app.search.planning.predicates import QueryPredicates
from app.search.planning.tag_resolution import ESTIMATED_IMAGES


async def list_match_ids(
    session: Reader, predicates: QueryPredicates, owner: uuid.UUID | None, limit: int
) -> list[uuid.UUID]:
    """Return the ids of up to `limit` visible matches, unordered; with an owner, of theirs only."""
    values = BindParameters()
    is_owned = TRUE if owner is None else f"uploaded_by = {values.bind(owner)}"
    condition = sql_and([predicates.visible_condition(values), is_owned])
    statement = f"SELECT id FROM images WHERE {condition} LIMIT {values.bind(limit)}"  # noqa: S608
    return [row[0] for row in await fetch(session, statement, values.values)]


async def count_matches(session: Reader, predicates: QueryPredicates) -> int:
    """Return the number of visible matches, from a look at each."""
    values = BindParameters()
    statement = f"SELECT count(*) FROM images WHERE {predicates.visible_condition(values)}"  # noqa: S608
    return int(await fetch_value(session, statement, values.values))


async def count_matches_of_tag(session: Reader, predicates: QueryPredicates, tag: int) -> int:
    """Return the number of visible matches of a query that is one tag. Its public images are counted already."""
    values = BindParameters()
    private = f"SELECT count(*) FROM images WHERE {predicates.visible_private_condition(values)}"  # noqa: S608
    public = f"SELECT {EXACT_COUNT} FROM tags t WHERE t.id = {values.bind(tag)}"  # noqa: S608
    return int(await fetch_value(session, f"SELECT coalesce(({public}), 0) + ({private})", values.values))


async def count_matches_up_to(session: Reader, predicates: QueryPredicates, limit: int) -> int | None:
    """Return the number of visible matches; None if there are more than `limit`."""
    values = BindParameters()
    condition = predicates.visible_condition(values)
    ids = f"SELECT id FROM images WHERE {condition} LIMIT {values.bind(limit + 1)}"  # noqa: S608
    count = int(await fetch_value(session, f"SELECT count(*) FROM ({ids}) AS ids", values.values))  # noqa: S608
    return count if count <= limit else None


async def estimate_images(session: Reader) -> float:
    """Return the number of all images, by the statistics of PostgreSQL."""
    return float(await fetch_value(session, f"SELECT {ESTIMATED_IMAGES}", ()))
