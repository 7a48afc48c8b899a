"""Turns the syntax tree of a query into SQL, and bounds the number of its matches."""

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from types import MappingProxyType

from app.authz.visibility import VisibilityScope
from app.core.errors import Unauthenticated
from app.db.sql_text import FALSE, TRUE, BindParameters, Condition, sql_and, sql_or
from app.search.language import ast
from app.search.language.filters import GLOB_FILTERS, parse_range_filter, parse_uploader
from app.search.language.value_ranges import ValueRange
from app.search.planning.cost_model import MAX_ALTERNATIVES
from app.search.planning.glob import Glob
from app.search.planning.tag_resolution import ResolvedTags

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"width": "width", "height": "height", "pixels": "pixels", "tags": "tag_count", "size": "size"}
)


_INDEXED_FILTERS = frozenset(("sha256", "similar", "uploader", "name", "type", "taken", "camera"))


@dataclass(frozen=True)
class QueryPredicates:
    """A query with resolved tags, for one principal at one moment.

    Each node of the query is visited a constant number of times: no method visits a child from two levels above it.
    """

    query: ast.Node
    tags: ResolvedTags
    visibility: VisibilityScope
    now: datetime
    # The similar images for each image id of the filter `similar`.
    similar: Mapping[str, Sequence[uuid.UUID]] = field(default_factory=dict)

    @property
    def is_unrestricted(self) -> bool:
        """Whether the result is all images."""
        return self.query == ast.MATCH_ALL and self.visibility.sees_all

    @property
    def only_tag(self) -> int | None:
        """The id of the tag that is the whole query; None for other queries and an unknown tag."""
        tags = self.tags.tags_of(self.query) if isinstance(self.query, ast.Tag) else ()
        return tags[0].id if tags else None

    def condition(self, values: BindParameters) -> Condition:
        """Return the condition of the matches. Raises Unauthenticated for an anonymous `uploader:me`."""
        return self._condition(self.query, values)

    def visible_condition(self, values: BindParameters) -> Condition:
        """Return the condition of the matches that the principal may see."""
        return sql_and([self.condition(values), self.visibility.sql(values)])

    def visible_private_condition(self, values: BindParameters) -> Condition:
        """Return the condition of the private matches that the principal may see."""
        return sql_and([self.condition(values), self.visibility.private(values)])

    def index_condition(self, values: BindParameters, filters: frozenset[str]) -> Condition:
        """Return the conditions of these filters, where every match fulfils them, to narrow an index scan."""
        return sql_and(
            _glob_range(term, values) if term.name in GLOB_FILTERS else self._condition(term, values)
            for term in conjuncts(self.query)
            if isinstance(term, ast.Filter) and term.name in filters and len(term.values) == 1
        )

    def required_filters(self, values: BindParameters, name: str) -> Condition:
        """Return the conditions of the filters of this name that every match must fulfil."""
        return sql_and(self._condition(term, values) for term in self._required(name))

    @cached_property
    def max_matches(self) -> float:
        """An upper bound on the public matches, from the counts of the tags; infinite without tags."""
        return self.max_matches_of(self.query)

    def fills(self, limit: int, images: int) -> bool:
        """Return whether this number of images has `limit` matches, if these are evenly spread.

        True if no tag bounds the matches.
        """
        return images * self.max_matches >= limit * self.tags.total_images

    @cached_property
    def independent_matches(self) -> float:
        """The number of matches if the tags are statistically independent; infinite without tags."""
        images = self.tags.total_images
        if math.isinf(self.max_matches):
            return math.inf
        return images * math.prod(min(1, self.max_matches_of(term) / images) for term in conjuncts(self.query))

    @cached_property
    def is_index_exact(self) -> bool:
        """Whether the index over the tags finds exactly the matches: the query has tags and no filters."""
        return self.has_only_tags and not math.isinf(self.max_matches)

    @cached_property
    def is_counted_by_tags(self) -> bool:
        """Whether the counts of the tags are the number of matches: the query is one tag, or an OR of tags."""
        return not math.isinf(self.max_matches) and self._only_tags(self.query) is not None

    @cached_property
    def is_unbounded(self) -> bool:
        """Whether no tag, account or digest that every match must have bounds the number of matches."""
        filters = {term.name for term in conjuncts(self.query) if isinstance(term, ast.Filter)}
        return math.isinf(self.max_matches) and not filters & {"uploader", "sha256", "similar"}

    @cached_property
    def has_only_tags(self) -> bool:
        """Whether the query has no filters."""
        return not any(isinstance(leaf, ast.Filter) for leaf in ast.leaves(self.query))

    @cached_property
    def is_indexed(self) -> bool:
        """Whether a term that every match must fulfil has an index."""
        return any(self._is_indexed(term) for term in conjuncts(self.query))

    @cached_property
    def has_taken_range(self) -> bool:
        """Whether all matches were taken in one period."""
        return any(len(term.values) == 1 for term in self._required("taken"))

    @cached_property
    def has_one_camera(self) -> bool:
        """Whether all matches have the same camera."""
        cameras = self._required("camera")
        return any(len(term.values) == 1 and Glob(term.values[0]).is_literal for term in cameras)

    def requires(self, name: str) -> bool:
        """Return whether every match must fulfil a filter of this name."""
        return bool(self._required(name))

    def _required(self, name: str) -> list[ast.Filter]:
        return [term for term in conjuncts(self.query) if isinstance(term, ast.Filter) and term.name == name]

    @property
    def unselective_glob(self) -> Glob | None:
        """A glob that the names of all matches fit, and for which the trigram index is of no use."""
        return next((one for one in self._globs() if not one.is_literal and not one.has_selective_trigrams), None)

    @property
    def has_name_prefix(self) -> bool:
        """Whether the names of all matches have a common prefix."""
        return any(one.prefix for one in self._globs())

    def _globs(self) -> Iterator[Glob]:
        """Yield the globs that the names of all matches fit."""
        for term in self._required("name"):
            if len(term.values) == 1:
                yield Glob(term.values[0])

    def _condition(self, node: ast.Node, values: BindParameters) -> Condition:
        match node:
            case ast.Tag() | ast.Wildcard():
                return has_any(self._ids(node), values)
            case ast.Filter():
                return sql_or(self._filter(node.name, value, values) for value in node.values)
            case ast.Not(term):
                ids = self._only_tags(term)
                return f"NOT {self._condition(term, values)}" if ids is None else _has_none(ids, values)
            case ast.And(terms):
                return self._all(terms, values)
            case ast.Or(terms):
                return self._any(terms, values)
            case ast.AtLeast():
                return self._at_least(node, values)

    def _all(self, terms: tuple[ast.Node, ...], values: BindParameters) -> Condition:
        """Join the plain tags into one `@>`, which the index answers from its rarest list."""
        tags = [self._ids(term) for term in terms if isinstance(term, ast.Tag)]
        if not all(tags):
            return FALSE
        required = sorted({id_ for ids in tags for id_ in ids})
        contained = [f"tag_ids @> {values.bind(required, 'int[]')}"] if required else []
        rest = [self._condition(term, values) for term in terms if not isinstance(term, ast.Tag)]
        return sql_and([*contained, *rest])

    def _any(self, terms: tuple[ast.Node, ...], values: BindParameters) -> Condition:
        tags = [term for term in terms if isinstance(term, ast.Tag | ast.Wildcard)]
        rest = [self._condition(term, values) for term in terms if not isinstance(term, ast.Tag | ast.Wildcard)]
        return sql_or([has_any(sorted({id_ for term in tags for id_ in self._ids(term)}), values), *rest])

    def _at_least(self, node: ast.AtLeast, values: BindParameters) -> Condition:
        """An image matches n of k terms if and only if it matches one of each k - n + 1 terms.

        For tags, the index answers that, up to 20 combinations. Otherwise the matched terms are counted, and the
        rarest combination is added for the index. Nested choices go without, because each level would double the text.
        """
        choice = _choice(node)
        ids = [self._only_tags(term) for term in node.terms]
        tags = [one for one in ids if one is not None]
        if len(tags) == len(ids) and math.comb(len(tags), choice) <= MAX_ALTERNATIVES:
            choices = [sorted({id_ for one in chosen for id_ in one}) for chosen in combinations(tags, choice)]
            return sql_and(has_any(one, values) for one in choices)
        matched = " + ".join(f"CAST(({self._condition(term, values)}) AS int)" for term in node.terms)
        rarest = self._any(self._rarest(node), values) if _is_flat(node) else TRUE
        return sql_and([f"({matched}) >= {node.number}", rarest])

    def _rarest(self, node: ast.AtLeast) -> tuple[ast.Node, ...]:
        by_size = sorted(node.terms, key=self.max_matches_of)
        return tuple(by_size[: _choice(node)])

    def _reference(self, name: str, value: str, values: BindParameters) -> Condition:
        if name == "similar":
            return f"id = ANY({values.bind(self.similar.get(value, ()), 'uuid[]')})"
        return f"sha256 = {values.bind(bytes.fromhex(value))}"

    def _filter(self, name: str, value: str, values: BindParameters) -> Condition:  # noqa: PLR0911 - one a filter
        match name:
            case "ratio":
                return _ratio(parse_range_filter(name, value, self.now), values)
            case "date":
                return _between("created_at", parse_range_filter(name, value, self.now), "timestamptz", values)
            case "uploader":
                return self._uploader(value, values)
            case "taken":
                fits = _between("taken_at", parse_range_filter(name, value, self.now), "timestamp", values)
                return sql_and(["taken_at IS NOT NULL", fits])
            case "name":
                return Glob(value).sql(values)
            case "camera":
                # Never NULL: the negation includes the images without a camera.
                return sql_and(["camera IS NOT NULL", _camera(Glob(value, "camera"), values)])
            case "type":
                return f"content_type = {values.bind(f'image/{value}')}"
            case "visibility":
                return f"visibility = {values.bind(value)}"
            case "sha256" | "similar":
                return self._reference(name, value, values)
        # bigint, because a bound may exceed the int4 of the column.
        return _between(_COLUMNS[name], parse_range_filter(name, value, self.now), "bigint", values)

    def _uploader(self, value: str, values: BindParameters) -> Condition:
        if value == "none":
            return "uploaded_by IS NULL"
        if value == "me" and self.visibility.principal_id is None:
            raise Unauthenticated("uploader:me needs an account")
        account = values.bind(self.visibility.principal_id if value == "me" else parse_uploader(value))
        # Never NULL: the negation includes the images without an owner.
        return f"(uploaded_by = {account} AND uploaded_by IS NOT NULL)"

    def _ids(self, node: ast.Tag | ast.Wildcard) -> list[int]:
        return [tag.id for tag in self.tags.tags_of(node)]

    def _only_tags(self, node: ast.Node) -> list[int] | None:
        """Return the ids if the term is a tag, a wildcard or an OR of them; else None."""
        terms = node.terms if isinstance(node, ast.Or) else (node,)
        tags = [term for term in terms if isinstance(term, ast.Tag | ast.Wildcard)]
        return sorted({id_ for tag in tags for id_ in self._ids(tag)}) if len(tags) == len(terms) else None

    def _is_indexed(self, node: ast.Node) -> bool:
        match node:
            case ast.Tag() | ast.Wildcard():
                return True
            case ast.Filter(name):
                return name in _INDEXED_FILTERS
            case ast.AtLeast():
                return _is_flat(node) and self._is_indexed(ast.Or(self._rarest(node)))
            case ast.Or(terms):
                return all(any(self._is_indexed(one) for one in conjuncts(term)) for term in terms)
        return False

    def max_matches_of(self, node: ast.Node) -> float:
        """Return an upper bound on the public matches of a term, from the counts of the tags."""
        match node:
            case ast.Tag() | ast.Wildcard():
                return sum(tag.images for tag in self.tags.tags_of(node))
            case ast.And(terms):
                return min((self.max_matches_of(term) for term in terms), default=math.inf)
            case ast.Or(terms):
                return sum(self.max_matches_of(term) for term in terms)
            case ast.AtLeast():
                return sum(sorted(map(self.max_matches_of, node.terms))[: _choice(node)])
            case ast.Filter(name, images) if name == "similar":
                return sum(len(self.similar.get(image, ())) for image in images)
        return 1 if isinstance(node, ast.Filter) and node.name == "sha256" else math.inf


def conjuncts(node: ast.Node) -> tuple[ast.Node, ...]:
    """Return the terms that every match must fulfil."""
    return node.terms if isinstance(node, ast.And) else (node,)


def _choice(node: ast.AtLeast) -> int:
    """Return k - n + 1 for n of k terms: every match has at least one term of each set of this size."""
    return len(node.terms) - node.number + 1


def _is_flat(node: ast.AtLeast) -> bool:
    """Return whether no other choice is nested in this one.

    The search ends at the first one, so nested choices search disjoint parts of the query.
    """
    return not any(isinstance(one, ast.AtLeast) for term in node.terms for one in ast.walk(term))


def has_any(ids: list[int], values: BindParameters) -> Condition:
    """Return the condition that an image has one of these tags."""
    return f"tag_ids && {values.bind(ids, 'int[]')}" if ids else FALSE


def _has_none(ids: list[int], values: BindParameters) -> Condition:
    """Return a `query_int` of intarray, which the index answers together with the required tags."""
    if not ids:
        return TRUE
    text = "!(" + "|".join(str(id_) for id_ in ids) + ")"
    return f"tag_ids @@ CAST({values.bind(text, 'text')} AS query_int)"


def _glob_range(term: ast.Filter, values: BindParameters) -> Condition:
    glob = Glob(term.values[0], term.name)
    return glob.sql(values) if glob.is_literal else glob.prefix_range(values)


def _camera(glob: Glob, values: BindParameters) -> Condition:
    """Return the condition that a camera fits.

    A range for one camera, because PostgreSQL would use the trigram index for an equality, which takes ten times longer
    than the B-tree index.
    """
    if not glob.is_literal:
        return glob.sql(values)
    camera = values.bind(glob.pattern)
    return f"(camera >= {camera} AND camera <= {camera})"


def _between(column: str, bounds: ValueRange, kind: str, values: BindParameters) -> Condition:
    conditions = []
    if bounds.low is not None:
        conditions.append(f"{column} {'>=' if bounds.low_included else '>'} {values.bind(bounds.low, kind)}")
    if bounds.high is not None:
        conditions.append(f"{column} {'<=' if bounds.high_included else '<'} {values.bind(bounds.high, kind)}")
    return sql_and(conditions)


def _ratio(bounds: ValueRange, values: BindParameters) -> Condition:
    """Compare by cross-multiplication, because a division would round."""

    def compared(comparison: str, bound: Fraction) -> Condition:
        below, above = values.bind(bound.denominator, "bigint"), values.bind(bound.numerator, "bigint")
        return f"width * {below} {comparison} height * {above}"

    conditions = []
    if bounds.low is not None:
        conditions.append(compared(">=" if bounds.low_included else ">", bounds.low))
    if bounds.high is not None:
        conditions.append(compared("<=" if bounds.high_included else "<", bounds.high))
    return sql_and(conditions)
