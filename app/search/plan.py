"""Tree to SQL: the condition that an image must fulfil, and what is known beforehand of how many do."""

import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    and_,
    case,
    cast,
    false,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy import (
    Text as SqlText,
)
from sqlalchemy.types import UserDefinedType

from app.core.errors import Unauthenticated
from app.models import Image
from app.search import tree
from app.search.filters import read_interval, read_uploader
from app.search.intervals import Interval
from app.search.order import Entity
from app.search.vocabulary import LAST_CHARACTER, Vocabulary, like

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"width": "width", "height": "height", "pixels": "pixels", "tags": "tag_count", "size": "size"}
)


class _QueryInt(UserDefinedType[str]):
    """intarray's queries over arrays of integers."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "query_int"


@dataclass(frozen=True, slots=True)
class Plan:
    """A query, its names looked up, for one viewer at one moment."""

    query: tree.Node
    vocabulary: Vocabulary
    viewer_id: uuid.UUID | None
    now: datetime

    def condition(self, entity: Entity = Image) -> ColumnElement[bool]:
        """Return what an image must fulfil. Raises Unauthenticated for `uploader:me` of nobody."""
        return self._condition(self.query, entity)

    def leading(self, entity: Entity, filters: frozenset[str]) -> ColumnElement[bool]:
        """Return those filters, of the ones that every match must fulfil, that narrow the walk along an index."""
        return and_(
            true(),
            *(
                self._condition(term, entity)
                for term in conjuncts(self.query)
                if isinstance(term, tree.Filter) and term.name in filters and len(term.values) == 1
            ),
        )

    @property
    def at_most(self) -> float:
        """Return a number that the public matches do not exceed, as far as the tags tell."""
        return self._at_most(self.query)

    @property
    def indexed(self) -> bool:
        """Whether some term that every match must fulfil has an index to find the matches by."""
        return any(self._indexed(term) for term in conjuncts(self.query))

    def _condition(self, node: tree.Node, entity: Entity) -> ColumnElement[bool]:
        match node:
            case tree.Tag() | tree.Wildcard():
                return _has_any(entity, self._ids(node))
            case tree.Filter():
                return or_(false(), *(self._filter(node.name, value, entity) for value in node.values))
            case tree.Not(term):
                ids = self._only_tags(term)
                return not_(self._condition(term, entity)) if ids is None else _has_none(entity, ids)
            case tree.And(terms):
                return self._all(terms, entity)
            case tree.Or(terms):
                return self._any(terms, entity)
            case tree.AtLeast():
                return self._at_least(node, entity)

    def _all(self, terms: tuple[tree.Node, ...], entity: Entity) -> ColumnElement[bool]:
        """Join the plain tags into one containment, which the index answers from its rarest side."""
        tags = [self._ids(term) for term in terms if isinstance(term, tree.Tag)]
        if not all(tags):
            return false()
        rest = [self._condition(term, entity) for term in terms if not isinstance(term, tree.Tag)]
        wanted = sorted({id_ for ids in tags for id_ in ids})
        return and_(true(), *([_has_all(entity, wanted)] if wanted else []), *rest)

    def _any(self, terms: tuple[tree.Node, ...], entity: Entity) -> ColumnElement[bool]:
        tags = [term for term in terms if isinstance(term, tree.Tag | tree.Wildcard)]
        rest = [self._condition(term, entity) for term in terms if not isinstance(term, tree.Tag | tree.Wildcard)]
        return or_(false(), _has_any(entity, sorted({id_ for term in tags for id_ in self._ids(term)})), *rest)

    def _at_least(self, node: tree.AtLeast, entity: Entity) -> ColumnElement[bool]:
        matched: list[ColumnElement[int]] = [case((self._condition(term, entity), 1), else_=0) for term in node.terms]
        enough = sum(matched[1:], matched[0]) >= node.number
        # Who matches n of k terms matches one of any k - n + 1: of the rarest, an index can tell.
        return and_(enough, self._any(self._rarest(node), entity))

    def _rarest(self, node: tree.AtLeast) -> tuple[tree.Node, ...]:
        by_size = sorted(node.terms, key=self._at_most)
        return tuple(by_size[: len(node.terms) - node.number + 1])

    def _filter(self, name: str, value: str, entity: Entity) -> ColumnElement[bool]:  # noqa: PLR0911 - one a filter
        match name:
            case "ratio":
                return _ratio(entity, read_interval(name, value, self.now))
            case "date":
                return _between(entity.created_at, read_interval(name, value, self.now), literal)
            case "uploader":
                return self._uploader(value, entity)
            case "name":
                return _glob(entity, value)
            case "type":
                return entity.content_type == f"image/{value}"
            case "visibility":
                return entity.visibility == value
            case "sha256":
                return entity.sha256 == literal(bytes.fromhex(value), LargeBinary)
        return _between(getattr(entity, _COLUMNS[name]), read_interval(name, value, self.now), _big)

    def _uploader(self, value: str, entity: Entity) -> ColumnElement[bool]:
        if value == "none":
            return entity.uploaded_by.is_(None)
        if value == "me" and self.viewer_id is None:
            raise Unauthenticated("uploader:me needs an account")
        return entity.uploaded_by == (self.viewer_id if value == "me" else read_uploader(value))

    def _ids(self, node: tree.Tag | tree.Wildcard) -> list[int]:
        return [tag.id for tag in self.vocabulary.of(node)]

    def _only_tags(self, node: tree.Node) -> list[int] | None:
        """Return the ids when the term is a tag, a wildcard or a choice of such."""
        terms = node.terms if isinstance(node, tree.Or) else (node,)
        tags = [term for term in terms if isinstance(term, tree.Tag | tree.Wildcard)]
        return sorted({id_ for tag in tags for id_ in self._ids(tag)}) if len(tags) == len(terms) else None

    def _indexed(self, node: tree.Node) -> bool:
        match node:
            case tree.Tag() | tree.Wildcard():
                return True
            case tree.Filter(name):
                return name in ("sha256", "uploader", "name", "type")
            case tree.AtLeast():
                return self._indexed(tree.Or(self._rarest(node)))
            case tree.Or(terms):
                return all(any(self._indexed(one) for one in conjuncts(term)) for term in terms)
        return False

    def _at_most(self, node: tree.Node) -> float:
        match node:
            case tree.Tag() | tree.Wildcard():
                return sum(tag.images for tag in self.vocabulary.of(node))
            case tree.And(terms):
                return min((self._at_most(term) for term in terms), default=math.inf)
            case tree.Or(terms):
                return sum(self._at_most(term) for term in terms)
            case tree.AtLeast():
                return sum(self._at_most(term) for term in self._rarest(node))
            case tree.Filter("sha256"):
                return 1
        return math.inf


def conjuncts(node: tree.Node) -> tuple[tree.Node, ...]:
    """Return the terms that every match must fulfil."""
    return node.terms if isinstance(node, tree.And) else (node,)


def _has_all(entity: Entity, ids: list[int]) -> ColumnElement[bool]:
    return entity.tag_ids.contains(cast(ids, ARRAY(Integer)))


def _has_any(entity: Entity, ids: list[int]) -> ColumnElement[bool]:
    return entity.tag_ids.overlap(cast(ids, ARRAY(Integer))) if ids else false()


def _has_none(entity: Entity, ids: list[int]) -> ColumnElement[bool]:
    """Say it as a query of intarray's, which the index answers together with the tags that are wanted."""
    if not ids:
        return true()
    text = "!(" + "|".join(str(id_) for id_ in ids) + ")"
    return entity.tag_ids.op("@@", is_comparison=True)(cast(literal(text, SqlText), _QueryInt()))


def _between(column: Any, values: Interval, as_literal: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[bool]:
    conditions = []
    if values.low is not None:
        low = as_literal(values.low)
        conditions.append(column >= low if values.low_included else column > low)
    if values.high is not None:
        high = as_literal(values.high)
        conditions.append(column <= high if values.high_included else column < high)
    return and_(true(), *conditions)


def _big(value: int) -> ColumnElement[int]:
    """A number that a column of int4 can be compared with, however big it is."""
    return literal(value, BigInteger)


def _ratio(entity: Entity, values: Interval) -> ColumnElement[bool]:
    """Compare by cross-multiplication: exact, where a division would round."""
    conditions: list[ColumnElement[bool]] = []
    width, height = cast(entity.width, BigInteger), cast(entity.height, BigInteger)
    if values.low is not None:
        low: Fraction = values.low
        left, right = width * _big(low.denominator), height * _big(low.numerator)
        conditions.append(left >= right if values.low_included else left > right)
    if values.high is not None:
        high: Fraction = values.high
        left, right = width * _big(high.denominator), height * _big(high.numerator)
        conditions.append(left <= right if values.high_included else left < right)
    return and_(true(), *conditions)


def _glob(entity: Entity, pattern: str) -> ColumnElement[bool]:
    if not {"*", "?"} & set(pattern):
        return entity.name == pattern
    prefix = re.split(r"[*?]", pattern, maxsplit=1)[0]
    # The range lets the plain index serve a prefix. After `like`, a ? is only ever the glob's own.
    start = [entity.name >= prefix, entity.name < prefix + LAST_CHARACTER] if prefix else []
    return and_(*start, entity.name.like(literal(like(pattern).replace("?", "_"), SqlText)))
