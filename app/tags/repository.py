"""SQL of tags, aliases and implications."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, String, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import NEVER_PRIVATE, VisibilityScope, tag_visibility_sql
from app.db.cache_invalidation import LISTS, invalidates_only
from app.db.database import set_lock_timeout
from app.models import PrivateTag, Tag, TagImplication
from app.models.tag import EXACT_COUNT
from app.search.planning.glob import like
from app.search.strategies.row import TAG_NAMES
from app.tags.errors import TagNotFound

# The tags of this number of public images are counted. The rows of a tag are in the order of the
# image ids, whose first bytes are the fast-changing part of the time. The first rows are a sample of all of them.
SAMPLE = 500


class CountedTag(NamedTuple):
    """A tag, and the number of public images that have it."""

    id: int
    name: str
    images: int
    aliases: list[str]
    implies: list[str]
    created_at: datetime


class RelatedTag(NamedTuple):
    """A tag that occurs together with another; `score` is the cosine similarity, 0 to 1."""

    name: str
    images: int
    score: float


_ENTRY = f"""
    t.id, t.name, {EXACT_COUNT} AS images,
    array(SELECT a.name FROM tags a WHERE a.alias_of = t.id ORDER BY 1) AS aliases,
    array(
        SELECT i.name FROM tag_implications e JOIN tags i ON i.id = e.implied_tag_id WHERE e.tag_id = t.id ORDER BY 1
    ) AS implies,
    t.created_at"""  # noqa: S608 - of constants only, as all below
_BY_ANY_NAME = text(
    f"SELECT {_ENTRY} FROM tags t WHERE t.id = (SELECT coalesce(alias_of, id) FROM tags WHERE name = :name)"  # noqa: S608
)
_VISIBLE_BY_ANY_NAME = text(f"{_BY_ANY_NAME.text} AND {tag_visibility_sql()}")
_BY_ANY_NAMES = text(
    f"SELECT n.name AS asked, {_ENTRY} FROM tags n JOIN tags t ON t.id = coalesce(n.alias_of, n.id) "  # noqa: S608
    "WHERE n.name = ANY(:names)"
)
# A plan is made for each pattern (`Database.search_session`): what comes before its first `%` is a range of the index.
_MATCHING = "{0}.name LIKE :pattern"
_BY_NAME = text(f"""
    SELECT {_ENTRY} FROM tags t JOIN (
        (
            SELECT id FROM tags t WHERE {_MATCHING.format("t")} AND alias_of IS NULL AND name > :after
            AND {tag_visibility_sql()} ORDER BY name LIMIT :most
        )
        UNION SELECT t.id FROM tags a JOIN tags t ON t.id = a.alias_of
        WHERE {_MATCHING.format("a")} AND a.alias_of IS NOT NULL AND {tag_visibility_sql()}
    ) AS matching USING (id)
    WHERE t.name > :after ORDER BY t.name LIMIT :most""")  # noqa: S608
# The tags without a pending change are in the order of their base counts, which an index has; those with one are few.
# The planner does not know how few: NOT IN has it make a hash, and ANY of an array look them up.
_AFTER = "(:started OR {images} < :images OR ({images} = :images AND t.name > :after))"
_BY_COUNT = text(f"""
    WITH pending AS MATERIALIZED (SELECT tag_id AS id, sum(delta)::int AS delta FROM tag_count_deltas GROUP BY tag_id),
    settled AS (
        SELECT t.id FROM tags t
        WHERE {_MATCHING.format("t")} AND t.alias_of IS NULL AND {_AFTER.format(images="t.image_count")}
        AND t.id NOT IN (SELECT id FROM pending) AND {tag_visibility_sql("t.image_count")}
        ORDER BY t.image_count DESC, t.name LIMIT :most
    ), changing AS (
        SELECT t.id FROM tags t
        WHERE t.id = ANY(ARRAY(SELECT id FROM pending)) AND {_MATCHING.format("t")} AND t.alias_of IS NULL
    ), aliased AS (SELECT a.alias_of AS id FROM tags a WHERE {_MATCHING.format("a")} AND a.alias_of IS NOT NULL),
    candidates AS (
        SELECT t.id, t.name, t.is_listed, t.image_count + coalesce(p.delta, 0) AS images
        FROM (SELECT id FROM settled UNION SELECT id FROM changing UNION SELECT id FROM aliased) AS picked
        JOIN tags t USING (id) LEFT JOIN pending p USING (id)
    ), first AS (
        SELECT t.id, t.images FROM candidates t
        WHERE {_AFTER.format(images="t.images")} AND {tag_visibility_sql("t.images")}
        ORDER BY t.images DESC, t.name LIMIT :most
    )
    SELECT {_ENTRY} FROM first f JOIN tags t USING (id) ORDER BY f.images DESC, t.name""")  # noqa: S608
# A tag that was hidden from others is as old as its listing. Rows are locked in one order.
_LIST = text(f"""
    UPDATE tags t SET is_listed = true,
        created_at = CASE WHEN {EXACT_COUNT} > 0 OR {NEVER_PRIVATE} THEN t.created_at ELSE now() END
    WHERE t.id IN (
        SELECT id FROM tags WHERE NOT is_listed
        AND id = ANY(ARRAY(SELECT coalesce(alias_of, id) FROM tags WHERE name = ANY(:names)))
        ORDER BY id FOR NO KEY UPDATE
    )""").bindparams(bindparam("names", type_=ARRAY(String)))  # noqa: S608
_NAMES_OF = text(f"SELECT id, {TAG_NAMES} AS tags FROM images WHERE id = ANY(:images)")  # noqa: S608
# Candidates beyond twice the limit: counts that are not compacted yet can change their order.
RELATED_MARGIN = 100
_RELATED = text(f"""
    WITH sample AS MATERIALIZED (
        SELECT i.tag_ids FROM tagged JOIN images i ON i.id = tagged.image
        WHERE tagged.tag = :tag AND i.visibility = 'public' LIMIT {SAMPLE}
    ), size AS (SELECT greatest(count(*), 1) AS images FROM sample),
    together AS (
        SELECT u.id, count(*) AS images FROM sample, unnest(sample.tag_ids) AS u(id) WHERE u.id <> :tag
        GROUP BY u.id HAVING count(*) >= :least
    )
    SELECT name, images, least(
        1, shared * (CAST(:images AS float8) / sampled) / sqrt(CAST(:images AS float8) * greatest(images, shared, 1))
    ) AS score
    FROM (
        SELECT t.name, {EXACT_COUNT} AS images, o.images AS shared, size.images AS sampled
        FROM together o JOIN tags t ON t.id = o.id, size
        -- An exact count costs a look-up for each tag: only tags that the compacted counts place near the top get one.
        ORDER BY o.images / sqrt(greatest(t.image_count, o.images, 1)) DESC, t.name LIMIT 2 * :most + {RELATED_MARGIN}
    ) AS scored
    ORDER BY score DESC, name LIMIT :most""")  # noqa: S608
_COMPACT_COUNTS = text("""
    WITH oldest AS (SELECT id, tag_id FROM tag_count_deltas ORDER BY id LIMIT :most),
    -- In the order of the ids, as all transactions lock tags. A tag that is being changed, which can take minutes, is
    -- compacted later.
    locked AS (
        SELECT t.id FROM tags t WHERE t.id IN (SELECT tag_id FROM oldest) ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM tag_count_deltas d USING oldest o WHERE d.id = o.id
        AND (d.tag_id IN (SELECT id FROM locked) OR NOT EXISTS (SELECT FROM tags t WHERE t.id = d.tag_id))
        RETURNING d.tag_id, d.delta
    ), summed AS (SELECT tag_id, sum(delta)::int AS delta FROM taken GROUP BY tag_id),
    compacted AS (
        UPDATE tags SET image_count = image_count + summed.delta
        FROM summed WHERE tags.id = summed.tag_id AND summed.delta <> 0
    )
    SELECT count(*) FROM taken""")


class TagRepository:
    """The SQL of tags, aliases and their counts."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_missing(self, names: Sequence[str], private_to: uuid.UUID | None = None) -> None:
        """Add the missing tags in the order of their names, so that no two calls deadlock.

        With `private_to`, the tags are hidden from others until a public image has them.
        """
        if missing := await self.list_missing(names):
            statement = insert(Tag).values([{"name": name} for name in missing]).on_conflict_do_nothing()
            with invalidates_only(self._session, LISTS):
                made = (await self._session.scalars(statement.returning(Tag.id))).all()
            if private_to is not None and made:
                await self._session.execute(
                    insert(PrivateTag), [{"tag_id": tag, "owner_id": private_to} for tag in made]
                )

    async def add_listed(self, names: Sequence[str]) -> None:
        """Add the missing tags, and list all of them for everyone, even without a public image.

        Raises DatabaseBusy.
        """
        await self.add_missing(names)
        await set_lock_timeout(self._session)
        with invalidates_only(self._session, LISTS):
            await self._session.execute(_LIST, {"names": names})

    async def list_missing(self, names: Sequence[str]) -> list[str]:
        """Return those of the names that neither a tag nor an alias has, sorted."""
        known = set(await self._session.scalars(select(Tag.name).where(Tag.name.in_(names)))) if names else set()
        return sorted(set(names) - known)

    async def find_id(self, name: str) -> int | None:
        """Return the id of the tag of this name or alias."""
        return await self._session.scalar(select(func.coalesce(Tag.alias_of, Tag.id)).where(Tag.name == name))

    async def find_id_by_exact_name(self, name: str) -> int | None:
        """Return the id of the tag of this name; None where the name is an alias."""
        return await self._session.scalar(select(Tag.id).where(Tag.name == name, Tag.alias_of.is_(None)))

    async def remove_alias(self, name: str) -> bool:
        """Remove an alias; False where the name is none. Its tag stays as it is."""
        statement = delete(Tag).where(Tag.name == name, Tag.alias_of.is_not(None)).returning(Tag.id)
        return await self._session.scalar(statement) is not None

    async def list_ids(self, names: Sequence[str]) -> list[int]:
        """Return the ids of those tags that exist by these names or aliases, sorted, each once; in one statement."""
        return sorted(set((await self.list_ids_by_name(names)).values()))

    async def list_ids_by_name(self, names: Sequence[str]) -> dict[str, int]:
        """Return the ids of those tags that exist, by the name or alias asked for; in one statement."""
        statement = select(Tag.name, func.coalesce(Tag.alias_of, Tag.id)).where(Tag.name.in_(names))
        return dict((await self._session.execute(statement)).all()) if names else {}

    async def list_implied_ids(self, tag: int) -> set[int]:
        """Return the ids of the tags that a tag implies directly."""
        statement = select(TagImplication.implied_tag_id).where(TagImplication.tag_id == tag)
        return set(await self._session.scalars(statement))

    async def list_by_any_name(self, names: Sequence[str]) -> dict[str, CountedTag]:
        """Return the tags of these names or aliases, by the name asked for; in one statement."""
        rows = await self._session.execute(_BY_ANY_NAMES, {"names": names})
        return {row.asked: CountedTag(*row[1:]) for row in rows}

    async def find(self, name: str) -> CountedTag | None:
        """Return the tag of this name or alias, regardless of its visibility."""
        found = await self._list(_BY_ANY_NAME, {"name": name})
        return found[0] if found else None

    async def get(self, name: str) -> CountedTag:
        """Return the tag of this name or alias, visible or not. Raises TagNotFound."""
        tag = await self.find(name)
        if tag is None:
            raise TagNotFound
        return tag

    async def get_visible(self, name: str, scope: VisibilityScope) -> CountedTag:
        """Return the tag of this name or alias. Raises TagNotFound, also if it is not visible."""
        tag = await self.find_visible(name, scope)
        if tag is None:
            raise TagNotFound
        return tag

    async def find_visible(self, name: str, scope: VisibilityScope) -> CountedTag | None:
        """Return the tag of this name or alias if it may be seen."""
        found = await self._list(_VISIBLE_BY_ANY_NAME, {"name": name, **scope.parameters})
        return found[0] if found else None

    async def list_names_by_image(self, images: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
        """Return the sorted tag names of each of these images, in one statement."""
        names = {row.id: row.tags for row in await self._session.execute(_NAMES_OF, {"images": images})}
        return {image: names.get(image, []) for image in images}

    async def list_by_name(
        self, pattern: str, scope: VisibilityScope, after: str | None, limit: int
    ) -> list[CountedTag]:
        """Return up to `limit` visible tags after a name whose name or alias matches, by name."""
        values = {"pattern": like(pattern), "after": after or "", "most": limit, **scope.parameters}
        return await self._list(_BY_NAME, values)

    async def list_by_count(
        self, pattern: str, scope: VisibilityScope, after: tuple[int, str] | None, limit: int
    ) -> list[CountedTag]:
        """Return up to `limit` visible tags after `(images, name)` whose name or alias matches, most used first."""
        images, name = after or (0, "")
        position = {"started": after is None, "images": images, "after": name}
        return await self._list(_BY_COUNT, {"pattern": like(pattern), **position, "most": limit, **scope.parameters})

    async def list_related(self, tag: CountedTag, limit: int) -> list[RelatedTag]:
        """Return the tags that occur together with this one on public images, the most similar first."""
        if not tag.images:
            return []
        # A tag that occurs once in a sample may be there by chance, and most tags do.
        least = 2 if tag.images > SAMPLE else 1
        values = {"tag": tag.id, "images": tag.images, "least": least, "most": limit}
        return [RelatedTag(*row) for row in await self._session.execute(_RELATED, values)]

    async def compact_counts(self, limit: int) -> int:
        """Add up to `limit` pending deltas to the counts; return their number. One caller at a time."""
        return await self._session.scalar(_COMPACT_COUNTS, {"most": limit}) or 0

    async def _list(self, statement: Any, values: dict[str, Any]) -> list[CountedTag]:
        return [CountedTag(*row) for row in await self._session.execute(statement, values)]
