"""Suggests other queries for an empty page."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from app.search.language import ast
from app.search.language.ast import format_query, leaves
from app.search.language.corrections import corrections
from app.search.language.filters import FILTER_NAMES
from app.search.language.lexer import Token, TokenKind, tokens
from app.search.language.parser import is_valid_query, parse, suggest_filter

MAX_HINTS = 5


@dataclass(frozen=True, slots=True)
class Hint:
    """A valid query, and the reason for the suggestion."""

    message: str
    query: str


def find_prefixed_terms(text: str) -> dict[str, Token]:
    """Return the terms `prefix:value` whose prefix is not a filter, by their names as tags or wildcards."""
    terms: dict[str, Token] = {}
    for token in tokens(text):
        prefix, colon, _value = token.text.partition(":")
        if token.kind is TokenKind.WORD and colon and prefix.casefold() not in FILTER_NAMES:
            terms.setdefault(_name(token), token)
    return terms


def make_hints(text: str, unknown: Sequence[Token], principal_id: uuid.UUID | None) -> list[Hint]:
    """Return valid queries to suggest for a valid query without matches.

    `unknown` are those of its `find_prefixed_terms` that are not tags.
    """
    canonical = format_query(parse(text))
    by_spelling: dict[str, Hint] = {}
    for message, query in islice(_rewrites(text, unknown), 2 * MAX_HINTS):
        if is_valid_query(query) and _is_open_to(parse(query), principal_id):
            spelled = format_query(parse(query))
            by_spelling.setdefault(spelled, Hint(message, spelled))
    return [hint for hint in by_spelling.values() if hint.query not in ("", canonical)][:MAX_HINTS]


def _rewrites(text: str, unknown: Sequence[Token]) -> Iterator[tuple[str, str]]:
    for correction in corrections(text):
        yield correction.message, correction.query
    for token in unknown:
        prefix, _colon, value = token.text.partition(":")
        message = f"There is no filter {prefix} and no such tag."
        if filtered := suggest_filter(token.text):
            yield message, _replace(text, token, filtered)
        yield message, _replace(text, token, value)


def _replace(text: str, token: Token, term: str) -> str:
    return text[: token.position] + term + text[token.position + len(token.text) :]


def _is_open_to(query: ast.Node, principal_id: uuid.UUID | None) -> bool:
    """Return whether the principal may run the query: `uploader:me` needs an account."""
    filters = (leaf for leaf in leaves(query) if isinstance(leaf, ast.Filter))
    return principal_id is not None or not any(one.name == "uploader" and "me" in one.values for one in filters)


def _name(token: Token) -> str:
    leaf = parse(token.text)
    assert isinstance(leaf, ast.Tag | ast.Wildcard)  # noqa: S101
    return leaf.name if isinstance(leaf, ast.Tag) else leaf.pattern
