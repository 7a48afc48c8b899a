"""Parses a query into its syntax tree, by recursive descent.

expression = or_term ;  or_term = and_term { ("OR" | "|") and_term } ;  and_term = unary { ["AND"] unary }
unary = ["-" | "NOT"] primary
primary = "(" or_term ")" | N "-of:(" unary { unary } ")" | filter | wildcard | tag | '"' quoted tag '"'
"""

from dataclasses import dataclass
from typing import NoReturn

from app.core.text.tag_names import normalize_tag_pattern, normalize_tag_term
from app.search.errors import InvalidQuery
from app.search.language.ast import MATCH_ALL, AtLeast, Filter, Node, Tag, Wildcard, conjunction, disjunction, negate
from app.search.language.corrections import corrections
from app.search.language.filters import FILTER_NAMES, MAX_VALUES, InvalidFilterValue, nearest, normalize_value
from app.search.language.lexer import LexicalError, Token, TokenKind, split_values, tokens

MAX_TERMS = 50
MAX_DEPTH = 10
MAX_LENGTH = 4096
# An unknown prefix of this length, in characters, is compared with the names of the filters.
MIN_PREFIX, MAX_PREFIX = 4, 20
_STARTS = (TokenKind.WORD, TokenKind.QUOTED, TokenKind.MINUS, TokenKind.NOT, TokenKind.OPEN, TokenKind.AT_LEAST)
_TERM = "a tag, a filter or a group"


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The syntax tree of a query, and the 0-based position in the text of each of its `leaves`."""

    tree: Node
    positions: tuple[int, ...]


def parse(query: str) -> Node:
    """Return the syntax tree of a query; `MATCH_ALL` for an empty one and for `*`. Raises only InvalidQuery."""
    return parse_with_positions(query).tree


def parse_with_positions(query: str) -> ParsedQuery:
    """Return the syntax tree of a query and the positions of its terms. Raises only InvalidQuery."""
    try:
        return _parse(query)
    except InvalidQuery as error:
        if not error.extras.get("did_you_mean") and (suggestion := _find_correction(query)):
            error.extras["did_you_mean"] = suggestion
        raise


def _parse(query: str) -> ParsedQuery:
    try:
        parser = _Parser(tokens(query))
    except LexicalError as error:
        raise InvalidQuery(error.detail, error.position, error.expected) from error
    tree = parser.expression()
    return ParsedQuery(tree, tuple(parser.positions))


def _find_correction(query: str) -> str | None:
    """Return the first correction of a query that parses."""
    return next((one.query for one in corrections(query) if is_valid_query(one.query)), None)


def is_valid_query(text: str) -> bool:
    """Return whether a text parses and is not too long."""
    try:
        _parse(text)
    except InvalidQuery:
        return False
    return len(text) <= MAX_LENGTH


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._index = 0
        self._depth = 0
        self.positions: list[int] = []

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def expression(self) -> Node:
        if self._accept(TokenKind.END):
            return MATCH_ALL
        if self._is_lone_star():
            return MATCH_ALL
        tree = self._or_term()
        if not self._accept(TokenKind.END):
            self._fail("The parenthesis does not close a group", "the end, or a ( before")
        return tree

    def _is_lone_star(self) -> bool:
        first, *rest = self._tokens[:2]
        return first.kind is TokenKind.WORD and not first.text.strip("*") and rest[0].kind is TokenKind.END

    def _or_term(self) -> Node:
        terms = [self._and_term()]
        while self._accept(TokenKind.OR):
            terms.append(self._and_term())
        return disjunction(terms)

    def _and_term(self) -> Node:
        terms = [self._unary()]
        while self._accept(TokenKind.AND) or self._next.kind in _STARTS:
            terms.append(self._unary())
        return conjunction(terms)

    def _unary(self) -> Node:
        negated = self._accept(TokenKind.MINUS) or self._accept(TokenKind.NOT)
        term = self._primary()
        return negate(term) if negated else term

    def _primary(self) -> Node:
        token = self._next
        if token.kind in (TokenKind.OPEN, TokenKind.AT_LEAST):
            return self._group(token)
        if token.kind not in (TokenKind.WORD, TokenKind.QUOTED):
            self._fail("A term is missing", _TERM)
        self._index += 1
        self.positions.append(token.position)
        if len(self.positions) > MAX_TERMS:
            raise InvalidQuery(f"A query can have at most {MAX_TERMS} terms", token.position, "the end")
        return _tag(token) if token.kind is TokenKind.QUOTED else _word(token)

    def _group(self, token: Token) -> Node:
        self._index += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidQuery(f"Groups can be nested at most {MAX_DEPTH} deep", token.position, _TERM)
        term = self._or_term() if token.kind is TokenKind.OPEN else self._at_least(token)
        if not self._accept(TokenKind.CLOSE):
            self._fail("The group is not closed", ")")
        self._depth -= 1
        return term

    def _at_least(self, token: Token) -> Node:
        terms = [self._unary()]
        while self._next.kind in _STARTS:
            terms.append(self._unary())
        number = int(token.text)
        if not 1 <= number <= len(terms):
            raise InvalidQuery(f"The number must be from 1 to {len(terms)}", token.position, f"1 to {len(terms)}")
        return AtLeast(number, tuple(terms))

    def _accept(self, kind: TokenKind) -> bool:
        if self._next.kind is not kind:
            return False
        self._index += 1
        return True

    def _fail(self, detail: str, expected: str) -> NoReturn:
        raise InvalidQuery(detail, self._next.position, expected)


def _word(token: Token) -> Node:
    name, colon, _value = token.text.partition(":")
    if colon and name.casefold() in FILTER_NAMES:
        return _filter(token, name.casefold())
    return _wildcard(token) if "*" in token.text else _tag(token)


def _filter(token: Token, name: str) -> Node:
    position = token.position + len(name) + 1
    values: dict[str, None] = {}
    for text, offset in split_values(token.text[len(name) + 1 :]):
        try:
            values[normalize_value(name, text)] = None
        except InvalidFilterValue as error:
            mean = f"{name}:{error.did_you_mean}" if error.did_you_mean else None
            detail = f"The filter {name}: does not accept this value"
            raise InvalidQuery(detail, position + offset, error.expected, mean) from error
    if len(values) > MAX_VALUES:
        raise InvalidQuery(f"A filter can have at most {MAX_VALUES} values", position, "fewer values")
    return Filter(name, tuple(values))


def _wildcard(token: Token) -> Node:
    try:
        return Wildcard(normalize_tag_pattern(token.text))
    except ValueError as error:
        raise InvalidQuery(
            f"The wildcard cannot match a tag: {error}", token.position, "a part of a tag with *"
        ) from error


def _tag(token: Token) -> Node:
    try:
        return Tag(normalize_tag_term(token.text))
    except ValueError as error:
        suggestion = suggest_filter(token.text) if token.kind is TokenKind.WORD else None
        raise InvalidQuery(f"The term is not a valid tag: {error}", token.position, "a tag", suggestion) from error


def suggest_filter(term: str) -> str | None:
    """Return the term with its unknown prefix replaced by the most similar filter."""
    prefix, colon, value = term.partition(":")
    near = nearest(prefix.casefold(), FILTER_NAMES) if colon and MIN_PREFIX <= len(prefix) <= MAX_PREFIX else None
    return f"{near}:{value}" if near else None
