"""Resolves the names and wildcards in a query to tags."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import BindParameters, Condition, sql_and
from app.models.tag import EXACT_COUNT
from app.search.errors import QueryTooBroad
from app.search.language import ast
from app.search.planning.glob import like, starts_with

MAX_TAGS_PER_WILDCARD = 100
_TOO_MANY = MAX_TAGS_PER_WILDCARD + 1
# The number of images by the statistics of PostgreSQL, and never 0.
ESTIMATED_IMAGES = "greatest((SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass), 1)"
# An alias is found by its own name and stands for its target.
_TAGS_BY_NAME = f"""
    SELECT n.name, coalesce(t.id, n.id), coalesce(t.image_count, n.image_count), {ESTIMATED_IMAGES}
    FROM tags n LEFT JOIN tags t ON t.id = n.alias_of"""  # noqa: S608 - of constants only


@dataclass(frozen=True, slots=True)
class ResolvedTag:
    """A tag, about how many public images have it, and about how many images there are in all."""

    id: int
    images: int
    total_images: float


@dataclass(frozen=True, slots=True)
class ResolvedTags:
    """The tags that the names and wildcards of one query stand for. Unknown names are missing."""

    tags: Mapping[str, ResolvedTag]
    wildcards: Mapping[str, tuple[ResolvedTag, ...]]
    # Wildcards with more tags than the limit, of which some are missing.
    truncated: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[ResolvedTag]:
        """All known tags, each once."""
        return frozenset(self._known())

    @property
    def total_images(self) -> float:
        """The estimated number of images; 1 if no name is known."""
        return max((tag.total_images for tag in self._known()), default=1)

    def restrict(self, is_kept: Callable[[ResolvedTag], bool]) -> "ResolvedTags":
        """Return a copy in which all other tags are unknown."""
        tags = {name: tag for name, tag in self.tags.items() if is_kept(tag)}
        wildcards = {pattern: tuple(filter(is_kept, tags)) for pattern, tags in self.wildcards.items()}
        return ResolvedTags(tags, wildcards, self.truncated)

    def with_counts(self, images: Mapping[int, int], total: int) -> "ResolvedTags":
        """Return a copy with these numbers of images by tag. A tag without images is unknown in it."""

        def count(tag: ResolvedTag) -> ResolvedTag:
            return ResolvedTag(tag.id, images[tag.id], max(1, total))

        known = self.restrict(lambda tag: images.get(tag.id, 0) > 0)
        tags = {name: count(tag) for name, tag in known.tags.items()}
        wildcards = {pattern: tuple(map(count, tags)) for pattern, tags in known.wildcards.items()}
        return ResolvedTags(tags, wildcards, self.truncated)

    def tags_of(self, node: ast.Tag | ast.Wildcard) -> tuple[ResolvedTag, ...]:
        """Return the tags of which an image must have one; none for an unknown name."""
        if isinstance(node, ast.Wildcard):
            return self.wildcards[node.pattern]
        tag = self.tags.get(node.name)
        return (tag,) if tag else ()

    def _known(self) -> Iterator[ResolvedTag]:
        return chain(self.tags.values(), *self.wildcards.values())


@dataclass(frozen=True, slots=True)
class TagNames:
    """The name of a tag, the exact number of its public images, and up to 100 of its aliases."""

    name: str
    images: int
    aliases: tuple[str, ...]


async def resolve_tags(session: Reader, query: ast.Node, visibility: VisibilityScope) -> ResolvedTags:
    """Return the tags of a query.

    Raises QueryTooBroad if more than 100 tags of visible images match a wildcard.
    """
    tags = await resolve_some_tags(session, query, visibility)
    for pattern in sorted(tags.truncated):
        raise QueryTooBroad(f"{pattern} matches more than {MAX_TAGS_PER_WILDCARD} tags")
    return tags


async def resolve_some_tags(session: Reader, query: ast.Node, visibility: VisibilityScope) -> ResolvedTags:
    """Return the tags of a query, and up to 100 tags of a wildcard that matches more."""
    names, patterns = set[str](), set[str]()
    for leaf in ast.leaves(query):
        if isinstance(leaf, ast.Tag):
            names.add(leaf.name)
        elif isinstance(leaf, ast.Wildcard):
            patterns.add(leaf.pattern)
    values = BindParameters()
    by_name = f"n.name = ANY({values.bind(sorted(names))})"
    tags = await _find_tags(session, by_name, values, len(names)) if names else {}
    wildcards = {pattern: await _resolve_wildcard(session, pattern, visibility) for pattern in sorted(patterns)}
    truncated = frozenset(pattern for pattern, found in wildcards.items() if len(found) > MAX_TAGS_PER_WILDCARD)
    return ResolvedTags(
        tags, {pattern: found[:MAX_TAGS_PER_WILDCARD] for pattern, found in wildcards.items()}, truncated
    )


async def list_tag_names(
    session: Reader, tags: Collection[ResolvedTag], visibility: VisibilityScope
) -> dict[int, TagNames]:
    """Return the names of those of the tags that the principal may see, by id."""
    values = BindParameters()
    statement = f"""
        SELECT t.id, t.name, {EXACT_COUNT},
            ARRAY(SELECT a.name FROM tags a WHERE a.alias_of = t.id ORDER BY a.name LIMIT {MAX_TAGS_PER_WILDCARD})
        FROM tags t WHERE t.id = ANY({values.bind(sorted({tag.id for tag in tags}))})
        AND {visibility.tag_condition(values)}"""  # noqa: S608
    rows = await fetch(session, statement, values.values)
    return {id_: TagNames(name, images, tuple(aliases)) for id_, name, images, aliases in rows}


async def list_visible_names(session: Reader, names: Sequence[str], visibility: VisibilityScope) -> set[str]:
    """Return those of the names that are tags, or aliases of tags, that the principal may see."""
    values = BindParameters()
    statement = f"""
        SELECT n.name FROM tags n JOIN tags t ON t.id = coalesce(n.alias_of, n.id)
        WHERE n.name = ANY({values.bind(names)}) AND {visibility.tag_condition(values)}"""  # noqa: S608
    return {row[0] for row in await fetch(session, statement, values.values)}


async def _resolve_wildcard(session: Reader, pattern: str, visibility: VisibilityScope) -> tuple[ResolvedTag, ...]:
    """Return up to 101 tags of visible images that match, each once even if several of its names match."""
    values = BindParameters()
    text, prefix = values.bind(like(pattern)), pattern.partition("*")[0]
    is_tag, is_alias = (
        sql_and([f"{table}.name LIKE {text}", starts_with(f"{table}.name", prefix, values)]) for table in "ta"
    )
    in_use = visibility.used_tag_condition(values)
    # Most tags have no alias, so the first part ends at the limit. UNION removes duplicates.
    statement = f"""
        SELECT id, image_count, {ESTIMATED_IMAGES} FROM (
            (SELECT t.id, t.image_count FROM tags t
            WHERE {is_tag} AND t.alias_of IS NULL AND {in_use} LIMIT {_TOO_MANY})
            UNION SELECT t.id, t.image_count FROM tags a JOIN tags t ON t.id = a.alias_of
            WHERE {is_alias} AND a.alias_of IS NOT NULL AND {in_use}
        ) AS matching LIMIT {_TOO_MANY}"""  # noqa: S608
    tags = [ResolvedTag(*row) for row in await fetch(session, statement, values.values)]
    return tuple(sorted(tags, key=lambda tag: tag.id))


async def _find_tags(
    session: Reader, condition: Condition, values: BindParameters, limit: int
) -> dict[str, ResolvedTag]:
    statement = f"{_TAGS_BY_NAME} WHERE {condition} LIMIT {values.bind(limit)}"
    return {name: ResolvedTag(*tag) for name, *tag in await fetch(session, statement, values.values)}
