"""The names in a query, looked up: tags, aliases, wildcards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import Sight
from app.core.errors import BadRequest
from app.db.asyncpg_queries import fetch
from app.db.sql_text import Condition, Values, all_true
from app.search.language import ast
from app.search.planning.glob import like, starts_with

MAX_TAGS_A_WILDCARD = 100
_TOO_MANY = MAX_TAGS_A_WILDCARD + 1
# About how many images there are, as PostgreSQL last counted them.
COLLECTION = "greatest((SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass), 1)"
# An alias is told by its own name, and is what it stands for.
_ENTRIES = f"""
    SELECT n.name, coalesce(t.id, n.id), coalesce(t.image_count, n.image_count), {COLLECTION}
    FROM tags n LEFT JOIN tags t ON t.id = n.alias_of"""  # noqa: S608 - of constants only


class QueryTooBroad(BadRequest):
    slug, title = "query-too-broad", "Query too broad"
    description = "The query covers more tags or images than the limit."


@dataclass(frozen=True, slots=True)
class ResolvedTag:
    """A tag that a name stands for, and about how many public images have it, of how many images in all."""

    id: int
    images: int
    collection: float


@dataclass(frozen=True, slots=True)
class ResolvedTags:
    """What the tags and wildcards of one query stand for; an unknown tag is not in it."""

    tags: Mapping[str, ResolvedTag]
    wildcards: Mapping[str, tuple[ResolvedTag, ...]]

    @property
    def found(self) -> frozenset[ResolvedTag]:
        """All tags that are known, each once."""
        return frozenset(self._known())

    @property
    def collection(self) -> float:
        """Return about how many images there are, as PostgreSQL last counted them; 1 where no name is known."""
        return max((tag.collection for tag in self._known()), default=1)

    def only(self, chosen: Callable[[ResolvedTag], bool]) -> "ResolvedTags":
        """Return what is left if all other tags are unknown."""
        tags = {name: tag for name, tag in self.tags.items() if chosen(tag)}
        wildcards = {pattern: tuple(filter(chosen, tags)) for pattern, tags in self.wildcards.items()}
        return ResolvedTags(tags, wildcards)

    def of(self, node: ast.Tag | ast.Wildcard) -> tuple[ResolvedTag, ...]:
        """Return the tags of which an image must have one; none for an unknown name."""
        if isinstance(node, ast.Wildcard):
            return self.wildcards[node.pattern]
        found = self.tags.get(node.name)
        return (found,) if found else ()

    def _known(self) -> Iterator[ResolvedTag]:
        return chain(self.tags.values(), *self.wildcards.values())


async def resolve_tags(session: AsyncSession, query: ast.Node, sight: Sight) -> ResolvedTags:
    """Look the query's names up. Raises QueryTooBroad when too many tags of visible images match a wildcard."""
    names, patterns = set[str](), set[str]()
    for leaf in ast.leaves(query):
        if isinstance(leaf, ast.Tag):
            names.add(leaf.name)
        elif isinstance(leaf, ast.Wildcard):
            patterns.add(leaf.pattern)
    values = Values()
    named = f"n.name = ANY({values.bind(sorted(names))})"
    tags = await _find(session, named, values, len(names)) if names else {}
    wildcards = {pattern: await _matching(session, pattern, sight) for pattern in sorted(patterns)}
    return ResolvedTags(tags, wildcards)


async def list_visible_names(session: AsyncSession, names: Sequence[str], sight: Sight) -> set[str]:
    """Return those of the names that are tags, or aliases of tags, that the viewer may see."""
    values = Values()
    statement = f"""
        SELECT n.name FROM tags n JOIN tags t ON t.id = coalesce(n.alias_of, n.id)
        WHERE n.name = ANY({values.bind(names)}) AND {sight.of_tag(values)}"""  # noqa: S608
    return {row[0] for row in await fetch(session, statement, values.listed)}


async def _matching(session: AsyncSession, pattern: str, sight: Sight) -> tuple[ResolvedTag, ...]:
    """Return the tags of visible images that match, each once however many of its names do."""
    values = Values()
    text, prefix = values.bind(like(pattern)), pattern.partition("*")[0]
    named, known = (
        all_true([f"{table}.name LIKE {text}", starts_with(f"{table}.name", prefix, values)]) for table in "ta"
    )
    in_use = sight.of_tag_in_use(values)
    # Tags are their own names and few of them have aliases: the first part ends at the limit, UNION removes the rest.
    statement = f"""
        SELECT id, image_count, {COLLECTION} FROM (
            (SELECT t.id, t.image_count FROM tags t WHERE {named} AND t.alias_of IS NULL AND {in_use} LIMIT {_TOO_MANY})
            UNION SELECT t.id, t.image_count FROM tags a JOIN tags t ON t.id = a.alias_of
            WHERE {known} AND a.alias_of IS NOT NULL AND {in_use}
        ) AS matching LIMIT {_TOO_MANY}"""  # noqa: S608
    found = [ResolvedTag(*row) for row in await fetch(session, statement, values.listed)]
    if len(found) > MAX_TAGS_A_WILDCARD:
        raise QueryTooBroad(f"{pattern} matches more than {MAX_TAGS_A_WILDCARD} tags")
    return tuple(sorted(found, key=lambda tag: tag.id))


async def _find(session: AsyncSession, matching: Condition, values: Values, limit: int) -> dict[str, ResolvedTag]:
    statement = f"{_ENTRIES} WHERE {matching} LIMIT {values.bind(limit)}"
    return {name: ResolvedTag(*found) for name, *found in await fetch(session, statement, values.listed)}
