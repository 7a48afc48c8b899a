"""Text to tree, pure. For now: plain tags, joined by AND, each negatable by `-` or NOT."""

import re
from dataclasses import dataclass

from app.core.errors import BadRequest
from app.core.tag_names import normalize_tag

MAX_TERMS = 50
MAX_LENGTH = 4096
_TOKEN = re.compile(r'\s*(?:(?P<minus>-)|"(?P<quoted>[^"]*)"|(?P<word>[^\s"]+))')


class InvalidQuery(BadRequest):
    """The query does not parse; `position` is the 0-based character where, `expected` what could stand there."""

    slug, title = "invalid-query", "The query cannot be understood"

    def __init__(self, detail: str, position: int, expected: str) -> None:
        super().__init__(detail, position=position, expected=expected)


@dataclass(frozen=True, slots=True)
class Term:
    """One tag that an image must have, or must not."""

    tag: str
    negated: bool


def parse(query: str) -> list[Term]:
    """Return the terms of a query; none for an empty one. Raises InvalidQuery."""
    terms: list[Term] = []
    position, negated = 0, False
    text = query.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidQuery("The quotation mark is not closed", text.rindex('"'), 'a closing "')
        start, position = match.start(match.lastgroup or 0), match.end()
        word = match["word"]
        if match["minus"] or word == "NOT":
            negated = not negated
        elif word != "AND":
            terms.append(Term(_tag(match["quoted"] or word or "", start), negated))
            negated = False
        if len(terms) > MAX_TERMS:
            raise InvalidQuery(f"A query has at most {MAX_TERMS} terms", start, "the end")
    if negated:
        raise InvalidQuery("A tag is missing after the NOT", len(text), "a tag")
    return terms


def canonical(terms: list[Term]) -> str:
    """Return the one spelling of a query."""
    return " ".join(f"{'-' if term.negated else ''}{_quoted(term.tag)}" for term in terms)


def _tag(text: str, position: int) -> str:
    try:
        return normalize_tag(text)
    except ValueError as error:
        raise InvalidQuery(f"This is no tag: {error}", position, "a tag") from error


def _quoted(tag: str) -> str:
    return f'"{tag}"' if " " in tag else tag
