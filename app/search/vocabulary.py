"""The names in a query, looked up: tags, aliases, wildcards."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.core.errors import BadRequest
from app.models import Tag
from app.search import tree

MAX_TAGS_A_WILDCARD = 100
LAST_CHARACTER = "\U0010ffff"  # above every name that starts as a prefix does


class QueryTooBroad(BadRequest):
    slug, title = "query-too-broad", "The query covers too much"


@dataclass(frozen=True, slots=True)
class Found:
    """A tag that a name stands for, and about how many public images have it."""

    id: int
    images: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the tags and wildcards of one query stand for; an unknown tag is not in it."""

    tags: Mapping[str, Found]
    wildcards: Mapping[str, tuple[Found, ...]]

    def of(self, node: tree.Tag | tree.Wildcard) -> tuple[Found, ...]:
        """Return the tags of which an image must have one; none for an unknown name."""
        if isinstance(node, tree.Wildcard):
            return self.wildcards[node.pattern]
        found = self.tags.get(node.name)
        return (found,) if found else ()


async def look_up(session: AsyncSession, query: tree.Node) -> Vocabulary:
    """Look the query's names up. Raises QueryTooBroad when too many tags match a wildcard."""
    names, patterns = set[str](), set[str]()
    for leaf in leaves(query):
        if isinstance(leaf, tree.Tag):
            names.add(leaf.name)
        elif isinstance(leaf, tree.Wildcard):
            patterns.add(leaf.pattern)
    tags = await _find(session, Tag.name.in_(sorted(names))) if names else {}
    wildcards = {pattern: await _matching(session, pattern) for pattern in sorted(patterns)}
    return Vocabulary(tags, wildcards)


def leaves(node: tree.Node) -> Iterator[tree.Tag | tree.Wildcard | tree.Filter]:
    """Yield the terms of a query that are not made of others."""
    match node:
        case tree.Not(term):
            yield from leaves(term)
        case tree.And(terms) | tree.Or(terms) | tree.AtLeast(_, terms):
            for one in terms:
                yield from leaves(one)
        case tree.Tag() | tree.Wildcard() | tree.Filter():
            yield node


def like(pattern: str) -> str:
    """Return the LIKE pattern of a wildcard, in which `*` stands for any characters."""
    return pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")


async def _matching(session: AsyncSession, pattern: str) -> tuple[Found, ...]:
    # An alias may stand for a tag that matches as well, so more rows than tags are looked at.
    matching: list[ColumnElement[bool]] = [Tag.name.like(literal(like(pattern), Text))]
    if prefix := pattern.partition("*")[0]:
        matching += [Tag.name >= prefix, Tag.name < prefix + LAST_CHARACTER]
    found = set((await _find(session, and_(*matching), 2 * MAX_TAGS_A_WILDCARD + 1)).values())
    if len(found) > MAX_TAGS_A_WILDCARD:
        raise QueryTooBroad(f"{pattern} matches more than {MAX_TAGS_A_WILDCARD} tags")
    return tuple(sorted(found, key=lambda tag: tag.id))


async def _find(session: AsyncSession, matching: ColumnElement[bool], limit: int | None = None) -> dict[str, Found]:
    target = aliased(Tag)
    statement = (
        select(Tag.name, func.coalesce(target.id, Tag.id), func.coalesce(target.images, Tag.images))
        .outerjoin(target, target.id == Tag.alias_of)
        .where(matching)
        .limit(limit)
    )
    return {name: Found(id_, images) for name, id_, images in await session.execute(statement)}
