"""Parses a filter in JSON into the syntax tree that the text of a query has.

filter = { "all" | "any" | "none": [filter, ...], "at_least": {"n": N, "of": [filter, ...]}, "tag": tag or wildcard,
<filter>: value or {"gt" | "gte" | "lt" | "lte": value, "in": [value, ...]} }; the members are combined with AND.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from app.core.errors import ValidationFailed
from app.core.text.normalization import has_control
from app.core.text.suggestions import closest_match
from app.core.text.tag_names import normalize_tag_pattern, normalize_tag_term
from app.search.errors import InvalidQuery
from app.search.language import ast
from app.search.language.filters import (
    FILTER_NAMES,
    MAX_VALUES,
    RANGE_FILTERS,
    InvalidFilterValue,
    normalize_value,
)
from app.search.language.parser import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, is_valid_query, parse

GROUPS = ("all", "any", "none")
KEYS = (*GROUPS, "at_least", "tag", *FILTER_NAMES)
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
# Alone, `*` matches all images.
_ANY_TAG = ast.Wildcard("*")
_FILTER = 'a filter, such as {"tag": "cat"}'
_LIST = "a list of at least one filter"
# The steps from the body to a value: names of members, and places in lists.
_Path: TypeAlias = tuple[str | int, ...]


def parse_filter(document: Any) -> ast.Node:
    """Return the syntax tree of a filter, the member `filter` of a body.

    An empty object matches all images. Raises InvalidQuery with a `pointer`, ValidationFailed for control characters.
    """
    path: _Path = ("filter",)
    if document == {}:
        return ast.MATCH_ALL
    tree = _FilterParser().parse(document, path)
    if tree == _ANY_TAG:
        return ast.MATCH_ALL
    if not is_valid_query(ast.format_query(tree)):
        _fail(
            f"The filter has no canonical text of at most {MAX_LENGTH} characters and {MAX_DEPTH} nested groups",
            path,
            "a smaller filter",
        )
    return tree


@dataclass(slots=True)
class _FilterParser:
    """Parses one filter, and counts its terms."""

    _terms: int = field(default=0)

    def parse(self, document: Any, path: _Path, depth: int = 0) -> ast.Node:
        """Return the tree of an object at this path, within `depth` groups."""
        if not isinstance(document, dict) or not document:
            _fail("A filter must be an object with at least one member", path, _FILTER)
        terms = [term for key, value in document.items() for term in self._member(key, value, (*path, key), depth)]
        return ast.conjunction(terms)

    def _member(self, key: str, value: Any, path: _Path, depth: int) -> Iterator[ast.Node]:
        if key in (*GROUPS, "at_least"):
            if depth == MAX_DEPTH:
                _fail(f"Groups can be nested at most {MAX_DEPTH} deep", path, "a tag or a filter")
            yield from self._group(key, value, path, depth + 1)
        elif key == "tag":
            yield self._tag(value, path)
        elif key in FILTER_NAMES:
            yield from self._filter(key, value, path)
        else:
            _fail_unknown(key, path, KEYS)

    def _group(self, key: str, value: Any, path: _Path, depth: int) -> Iterator[ast.Node]:
        if key == "at_least":
            yield self._at_least(value, path, depth)
            return
        terms = self._list(value, path, depth)
        if key == "any":
            yield ast.disjunction(terms)
        else:
            yield from terms if key == "all" else map(ast.negate, terms)

    def _at_least(self, value: Any, path: _Path, depth: int) -> ast.Node:
        if not isinstance(value, dict):
            _fail("The member at_least must be an object", path, '{"n": 2, "of": [...]}')
        for key in value:
            if key not in ("n", "of"):
                _fail_unknown(key, (*path, key), ("n", "of"))
        terms = self._list(value.get("of"), (*path, "of"), depth)
        number = value.get("n")
        if type(number) is not int or not 1 <= number <= len(terms):
            _fail(f"The number must be from 1 to {len(terms)}", (*path, "n"), f"1 to {len(terms)}")
        return ast.AtLeast(number, tuple(terms))

    def _list(self, value: Any, path: _Path, depth: int) -> list[ast.Node]:
        if not isinstance(value, list) or not value:
            _fail("The value must be a list of filters", path, _LIST)
        return [self.parse(one, (*path, number), depth) for number, one in enumerate(value)]

    def _tag(self, value: Any, path: _Path) -> ast.Node:
        self._count(path)
        if not isinstance(value, str):
            _fail("A tag must be a string", path, "a tag, or a part of one with *")
        _refuse_control(value, path)
        try:
            term = ast.Wildcard(normalize_tag_pattern(value)) if "*" in value else ast.Tag(normalize_tag_term(value))
        except ValueError as error:
            raise InvalidQuery(f"The term is not a valid tag: {error}", _pointer(path), "a tag") from error
        if not _is_term(term):
            _fail("The wildcard cannot be a term of a query", path, "a part of a tag with *, without spaces")
        return term

    def _filter(self, name: str, value: Any, path: _Path) -> Iterator[ast.Node]:
        if not isinstance(value, dict):
            self._count(path)
            yield ast.Filter(name, (_value(name, value, path),))
            return
        if not value:
            _fail("The comparison has no member", path, _known_comparisons(name))
        for key in value:
            if key not in _comparisons_of(name):
                _fail_unknown(key, (*path, key), _comparisons_of(name))
        yield from self._compared(name, value, path)

    def _compared(self, name: str, value: dict[str, Any], path: _Path) -> Iterator[ast.Node]:
        """Yield the filters of a comparison; `gte` and `lte` together are one range."""
        _refuse_both(value, ("gt", "gte"), path)
        _refuse_both(value, ("lt", "lte"), path)
        bounds = {key: _operand(name, key, value[key], (*path, key)) for key in COMPARISONS if key in value}
        if bounds.keys() == {"gte", "lte"}:
            texts = [f"{bounds['gte']}..{bounds['lte']}"]
        else:
            texts = [f"{COMPARISONS[key]}{bound}" for key, bound in bounds.items()]
        for text in texts:
            self._count(path)
            yield ast.Filter(name, (text,))
        if "in" in value:
            self._count(path)
            yield ast.Filter(name, _values(name, value["in"], (*path, "in")))

    def _count(self, path: _Path) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            _fail(f"A query can have at most {MAX_TERMS} terms", path, "fewer terms")


def _is_term(term: ast.Tag | ast.Wildcard) -> bool:
    """Return whether the canonical text of a term is that term: a wildcard has no quotation marks."""
    text = ast.format_query(term)
    return term == _ANY_TAG or (is_valid_query(text) and parse(text) == term)


def _values(name: str, values: Any, path: _Path) -> tuple[str, ...]:
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
        _fail(f"The value must be a list of 1 to {MAX_VALUES} values", path, "a list of values")
    return tuple(dict.fromkeys(_value(name, one, (*path, number)) for number, one in enumerate(values)))


def _operand(name: str, key: str, value: Any, path: _Path) -> str:
    """Return the normalised operand of a comparison: one point, not a range or another comparison."""
    text = _text_of(name, value, path)
    if not text or text[0] in "<>=" or ".." in text:
        _fail("The value to compare with must be a single one", path, "a single value")
    return _normalize(name, f"{COMPARISONS[key]}{text}", path).removeprefix(COMPARISONS[key])


def _value(name: str, value: Any, path: _Path) -> str:
    return _normalize(name, _text_of(name, value, path), path)


def _normalize(name: str, text: str, path: _Path) -> str:
    try:
        return normalize_value(name, text)
    except InvalidFilterValue as error:
        detail = f"The filter {name} does not accept this value"
        raise InvalidQuery(detail, _pointer(path), error.expected, error.did_you_mean) from error


def _text_of(name: str, value: Any, path: _Path) -> str:
    """Return a value as it is written in a text. A number may be an integer or have a fraction."""
    if isinstance(value, str):
        # The text of a query is limited, too, and its values cannot contain a quotation mark.
        if len(value) > MAX_LENGTH or '"' in value:
            _fail(f"A value can have at most {MAX_LENGTH} characters, without quotation marks", path, "another value")
        _refuse_control(value, path)
        return value
    if name not in RANGE_FILTERS or isinstance(value, bool) or not isinstance(value, int | float):
        _fail("The value has the wrong type", path, "a string or a number" if name in RANGE_FILTERS else "a string")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _refuse_control(value: str, path: _Path) -> None:
    """Raise ValidationFailed for control characters, as for each string of a body. Too long values fail elsewhere."""
    if len(value) <= MAX_LENGTH and has_control(value):
        raise ValidationFailed.at(["body", *path], "The value must not contain control characters.")


def _comparisons_of(name: str) -> tuple[str, ...]:
    return (*COMPARISONS, "in") if name in RANGE_FILTERS else ("in",)


def _known_comparisons(name: str) -> str:
    return " or ".join(_comparisons_of(name))


def _refuse_both(value: dict[str, Any], keys: tuple[str, str], path: _Path) -> None:
    if all(key in value for key in keys):
        _fail(f"Only one of {keys[0]} and {keys[1]} is possible", (*path, keys[1]), f"{keys[0]} or {keys[1]}")


def _fail_unknown(key: str, path: _Path, known: tuple[str, ...]) -> NoReturn:
    raise InvalidQuery("The member is unknown", _pointer(path), ", ".join(known), closest_match(key, known))


def _fail(detail: str, path: _Path, expected: str) -> NoReturn:
    raise InvalidQuery(detail, _pointer(path), expected)


def _pointer(path: _Path) -> str:
    """Return the JSON pointer (RFC 6901) of a path, without a last step that is too long to repeat."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
    return "".join(f"/{step}" for step in steps if len(step) <= MAX_LENGTH)
