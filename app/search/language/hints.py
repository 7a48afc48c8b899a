"""Hints for an empty page: queries that may be meant instead."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from app.search.language import ast
from app.search.language.ast import canonical, leaves
from app.search.language.corrections import corrections
from app.search.language.filters import NAMES
from app.search.language.lexer import Kind, Token, tokens
from app.search.language.parser import is_query, meant_filter, parse

MAX_HINTS = 5


@dataclass(frozen=True, slots=True)
class Hint:
    """A query that the service takes, and why it may be meant."""

    message: str
    query: str


def prefixed_terms(text: str) -> dict[str, Token]:
    """Return the terms `prefix:value` of a query whose prefix is no filter, by their names as tags or wildcards."""
    terms: dict[str, Token] = {}
    for token in tokens(text):
        prefix, colon, _value = token.text.partition(":")
        if token.kind is Kind.WORD and colon and prefix.casefold() not in NAMES:
            terms.setdefault(_name(token), token)
    return terms


def make_hints(text: str, unknown: Sequence[Token], viewer_id: uuid.UUID | None) -> list[Hint]:
    """Return hints for a query that parses and matches nothing, each with another query that parses, too.

    `unknown` are those of its `prefixed_terms` that are no tags.
    """
    asked = canonical(parse(text))
    meant: dict[str, Hint] = {}
    for message, query in islice(_rewrites(text, unknown), 2 * MAX_HINTS):
        if is_query(query) and _is_open_to(parse(query), viewer_id):
            spelled = canonical(parse(query))
            meant.setdefault(spelled, Hint(message, spelled))
    return [hint for hint in meant.values() if hint.query not in ("", asked)][:MAX_HINTS]


def _rewrites(text: str, unknown: Sequence[Token]) -> Iterator[tuple[str, str]]:
    for correction in corrections(text):
        yield correction.message, correction.query
    for token in unknown:
        prefix, _colon, value = token.text.partition(":")
        message = f"There is no filter {prefix} and no such tag."
        if filtered := meant_filter(token.text):
            yield message, _replace(text, token, filtered)
        yield message, _replace(text, token, value)


def _replace(text: str, token: Token, term: str) -> str:
    return text[: token.position] + term + text[token.position + len(token.text) :]


def _is_open_to(query: ast.Node, viewer_id: uuid.UUID | None) -> bool:
    """Tell whether the viewer may ask this: `uploader:me` needs an account."""
    filters = (leaf for leaf in leaves(query) if isinstance(leaf, ast.Filter))
    return viewer_id is not None or not any(one.name == "uploader" and "me" in one.values for one in filters)


def _name(token: Token) -> str:
    leaf = parse(token.text)
    assert isinstance(leaf, ast.Tag | ast.Wildcard)  # noqa: S101
    return leaf.name if isinstance(leaf, ast.Tag) else leaf.pattern
