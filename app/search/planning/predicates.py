"""Tree to SQL: the condition that an image must fulfil, and what is known beforehand of how many do."""

import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from types import MappingProxyType

from app.core.errors import Unauthenticated
from app.db.sql_text import EVERY, NONE, Condition, Values, all_true, any_true
from app.search.language import ast
from app.search.language.ast import leaves
from app.search.language.filters import read_interval, read_uploader
from app.search.language.ranges import Interval
from app.search.planning.glob import Glob
from app.search.planning.tag_resolution import ResolvedTags

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"width": "width", "height": "height", "pixels": "pixels", "tags": "tag_count", "size": "size"}
)
# So many alternatives at most are spelled out of "n of k tags", for the index to answer.
MAX_ALTERNATIVES = 20


@dataclass(frozen=True)
class QueryPredicates:
    """A query, its names looked up, for one viewer at one moment.

    The nodes of a query are visited a constant number of times: no method visits a child from two levels above it.
    """

    query: ast.Node
    vocabulary: ResolvedTags
    viewer_id: uuid.UUID | None
    now: datetime

    def condition(self, values: Values) -> Condition:
        """Return what an image must fulfil. Raises Unauthenticated for `uploader:me` of nobody."""
        return self._condition(self.query, values)

    def leading(self, values: Values, filters: frozenset[str]) -> Condition:
        """Return those filters, of the ones that every match must fulfil, that narrow the walk along an index."""
        return all_true(
            Glob(term.values[0]).begins(values) if term.name == "name" else self._condition(term, values)
            for term in conjuncts(self.query)
            if isinstance(term, ast.Filter) and term.name in filters and len(term.values) == 1
        )

    @cached_property
    def at_most(self) -> float:
        """Return a number that the public matches do not exceed, as far as the tags tell."""
        return self.at_most_of(self.query)

    @cached_property
    def by_chance(self) -> float:
        """Return how many match if its tags have nothing to do with each other; infinite where there are none."""
        images = self.vocabulary.collection
        if math.isinf(self.at_most):
            return math.inf
        return images * math.prod(min(1, self.at_most_of(term) / images) for term in conjuncts(self.query))

    @cached_property
    def exact(self) -> bool:
        """Whether an index finds what matches and no more: there is some tag in it, and no filters."""
        return self.tags_only and not math.isinf(self.at_most)

    @cached_property
    def told_by_tags(self) -> bool:
        """Whether so many match as have the tags."""
        return not math.isinf(self.at_most) and self._only_tags(self.query) is not None

    @cached_property
    def unbounded(self) -> bool:
        """Whether nothing tells that few match: no tag, no account, no digest that every match must have."""
        filters = {term.name for term in conjuncts(self.query) if isinstance(term, ast.Filter)}
        return math.isinf(self.at_most) and not filters & {"uploader", "sha256"}

    @cached_property
    def tags_only(self) -> bool:
        """Whether there are no filters in it: the index over the tags finds exactly what matches."""
        return not any(isinstance(leaf, ast.Filter) for leaf in leaves(self.query))

    @cached_property
    def indexed(self) -> bool:
        """Whether some term that every match must fulfil has an index to find the matches by."""
        return any(self._indexed(term) for term in conjuncts(self.query))

    @property
    def glob(self) -> Glob | None:
        """Return a glob that every match's name fits and that trigrams do not serve."""
        return next((one for one in self._globs() if not one.is_plain and not one.is_telling), None)

    @property
    def prefixed(self) -> bool:
        """Whether the names of all matches begin alike."""
        return any(one.prefix for one in self._globs())

    def _globs(self) -> Iterator[Glob]:
        """Yield what every match's name fits."""
        for term in conjuncts(self.query):
            if isinstance(term, ast.Filter) and term.name == "name" and len(term.values) == 1:
                yield Glob(term.values[0])

    def _condition(self, node: ast.Node, values: Values) -> Condition:
        match node:
            case ast.Tag() | ast.Wildcard():
                return has_any(self._ids(node), values)
            case ast.Filter():
                return any_true(self._filter(node.name, value, values) for value in node.values)
            case ast.Not(term):
                ids = self._only_tags(term)
                return f"NOT {self._condition(term, values)}" if ids is None else _has_none(ids, values)
            case ast.And(terms):
                return self._all(terms, values)
            case ast.Or(terms):
                return self._any(terms, values)
            case ast.AtLeast():
                return self._at_least(node, values)

    def _all(self, terms: tuple[ast.Node, ...], values: Values) -> Condition:
        """Join the plain tags into one containment, which the index answers from its rarest side."""
        tags = [self._ids(term) for term in terms if isinstance(term, ast.Tag)]
        if not all(tags):
            return NONE
        wanted = sorted({id_ for ids in tags for id_ in ids})
        contained = [f"tag_ids @> {values.bind(wanted, 'int[]')}"] if wanted else []
        rest = [self._condition(term, values) for term in terms if not isinstance(term, ast.Tag)]
        return all_true([*contained, *rest])

    def _any(self, terms: tuple[ast.Node, ...], values: Values) -> Condition:
        tags = [term for term in terms if isinstance(term, ast.Tag | ast.Wildcard)]
        rest = [self._condition(term, values) for term in terms if not isinstance(term, ast.Tag | ast.Wildcard)]
        return any_true([has_any(sorted({id_ for term in tags for id_ in self._ids(term)}), values), *rest])

    def _at_least(self, node: ast.AtLeast, values: Values) -> Condition:
        """Who matches n of k terms matches one of any k - n + 1, and the other way round.

        For tags the index answers that, if there are not too many such choices. Else the matched terms are counted,
        and the rarest choice is for the index; not where it is one of others, whose text would double at each level.
        """
        choice = _choice(node)
        ids = [self._only_tags(term) for term in node.terms]
        tags = [one for one in ids if one is not None]
        if len(tags) == len(ids) and math.comb(len(tags), choice) <= MAX_ALTERNATIVES:
            choices = [sorted({id_ for one in chosen for id_ in one}) for chosen in combinations(tags, choice)]
            return all_true(has_any(one, values) for one in choices)
        matched = " + ".join(f"CAST(({self._condition(term, values)}) AS int)" for term in node.terms)
        rarest = self._any(self._rarest(node), values) if _is_flat(node) else EVERY
        return all_true([f"({matched}) >= {node.number}", rarest])

    def _rarest(self, node: ast.AtLeast) -> tuple[ast.Node, ...]:
        by_size = sorted(node.terms, key=self.at_most_of)
        return tuple(by_size[: _choice(node)])

    def _filter(self, name: str, value: str, values: Values) -> Condition:  # noqa: PLR0911 - one a filter
        match name:
            case "ratio":
                return _ratio(read_interval(name, value, self.now), values)
            case "date":
                return _between("created_at", read_interval(name, value, self.now), "timestamptz", values)
            case "uploader":
                return self._uploader(value, values)
            case "name":
                return Glob(value).sql(values)
            case "type":
                return f"content_type = {values.bind(f'image/{value}')}"
            case "visibility":
                return f"visibility = {values.bind(value)}"
            case "sha256":
                return f"sha256 = {values.bind(bytes.fromhex(value))}"
        # bigint: a number that a column of int4 can be compared with, however big it is.
        return _between(_COLUMNS[name], read_interval(name, value, self.now), "bigint", values)

    def _uploader(self, value: str, values: Values) -> Condition:
        if value == "none":
            return "uploaded_by IS NULL"
        if value == "me" and self.viewer_id is None:
            raise Unauthenticated("uploader:me needs an account")
        account = values.bind(self.viewer_id if value == "me" else read_uploader(value))
        # Never NULL: its negation holds for the images of nobody.
        return f"(uploaded_by = {account} AND uploaded_by IS NOT NULL)"

    def _ids(self, node: ast.Tag | ast.Wildcard) -> list[int]:
        return [tag.id for tag in self.vocabulary.of(node)]

    def _only_tags(self, node: ast.Node) -> list[int] | None:
        """Return the ids when the term is a tag, a wildcard or a choice of such."""
        terms = node.terms if isinstance(node, ast.Or) else (node,)
        tags = [term for term in terms if isinstance(term, ast.Tag | ast.Wildcard)]
        return sorted({id_ for tag in tags for id_ in self._ids(tag)}) if len(tags) == len(terms) else None

    def _indexed(self, node: ast.Node) -> bool:
        match node:
            case ast.Tag() | ast.Wildcard():
                return True
            case ast.Filter(name):
                return name in ("sha256", "uploader", "name", "type")
            case ast.AtLeast():
                return _is_flat(node) and self._indexed(ast.Or(self._rarest(node)))
            case ast.Or(terms):
                return all(any(self._indexed(one) for one in conjuncts(term)) for term in terms)
        return False

    def at_most_of(self, node: ast.Node) -> float:
        """Return a number that the public images that match this term do not exceed, as far as the tags tell."""
        match node:
            case ast.Tag() | ast.Wildcard():
                return sum(tag.images for tag in self.vocabulary.of(node))
            case ast.And(terms):
                return min((self.at_most_of(term) for term in terms), default=math.inf)
            case ast.Or(terms):
                return sum(self.at_most_of(term) for term in terms)
            case ast.AtLeast():
                return sum(sorted(map(self.at_most_of, node.terms))[: _choice(node)])
            case ast.Filter("sha256"):
                return 1
        return math.inf


def conjuncts(node: ast.Node) -> tuple[ast.Node, ...]:
    """Return the terms that every match must fulfil."""
    return node.terms if isinstance(node, ast.And) else (node,)


def _choice(node: ast.AtLeast) -> int:
    """Return the size of the sets of terms of which every match has at least one: k - n + 1 for n of k terms."""
    return len(node.terms) - node.number + 1


def _is_flat(node: ast.AtLeast) -> bool:
    """Tell whether no other choice is within it.

    The scan ends at the first one: nested choices scan disjoint parts of the query.
    """
    return not any(isinstance(one, ast.AtLeast) for term in node.terms for one in ast.nodes(term))


def has_any(ids: list[int], values: Values) -> Condition:
    """Return the condition that an image has one of these tags."""
    return f"tag_ids && {values.bind(ids, 'int[]')}" if ids else NONE


def _has_none(ids: list[int], values: Values) -> Condition:
    """Say it as a query of intarray's, which the index answers together with the tags that are wanted."""
    if not ids:
        return EVERY
    text = "!(" + "|".join(str(id_) for id_ in ids) + ")"
    return f"tag_ids @@ CAST({values.bind(text, 'text')} AS query_int)"


def _between(column: str, bounds: Interval, kind: str, values: Values) -> Condition:
    conditions = []
    if bounds.low is not None:
        conditions.append(f"{column} {'>=' if bounds.low_included else '>'} {values.bind(bounds.low, kind)}")
    if bounds.high is not None:
        conditions.append(f"{column} {'<=' if bounds.high_included else '<'} {values.bind(bounds.high, kind)}")
    return all_true(conditions)


def _ratio(bounds: Interval, values: Values) -> Condition:
    """Compare by cross-multiplication: exact, where a division would round."""

    def compared(comparison: str, bound: Fraction) -> Condition:
        below, above = values.bind(bound.denominator, "bigint"), values.bind(bound.numerator, "bigint")
        return f"width * {below} {comparison} height * {above}"

    conditions = []
    if bounds.low is not None:
        conditions.append(compared(">=" if bounds.low_included else ">", bounds.low))
    if bounds.high is not None:
        conditions.append(compared("<=" if bounds.high_included else "<", bounds.high))
    return all_true(conditions)
