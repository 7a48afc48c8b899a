"""Splits a query into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from app.search.language.filters import FILTER_NAMES

_AT_LEAST = re.compile(r"([0-9]{1,3})-of:\(")
_SPACE = re.compile(r"\s*")
_PLAIN = re.compile(r"[^\s|()\"]*")
_FILTER_HEAD = re.compile(rf"(?:{'|'.join(FILTER_NAMES)}):", re.IGNORECASE)


class TokenKind(Enum):
    """The kind of a token."""

    WORD = auto()
    QUOTED = auto()
    MINUS = auto()
    NOT = auto()
    AND = auto()
    OR = auto()
    OPEN = auto()
    CLOSE = auto()
    AT_LEAST = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token, its text, and the 0-based character where it starts."""

    kind: TokenKind
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class LexicalError(Exception):
    """The text cannot be split into tokens."""

    detail: str
    position: int
    expected: str


_SIGNS = {"(": TokenKind.OPEN, ")": TokenKind.CLOSE, "|": TokenKind.OR, "-": TokenKind.MINUS}
_KEYWORDS = {"AND": TokenKind.AND, "OR": TokenKind.OR, "NOT": TokenKind.NOT}


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text; the last one is END. Raises LexicalError."""
    return list(_tokens(text))


def split_values(text: str) -> Iterator[tuple[str, int]]:
    """Yield the comma-separated values of a filter without quotation marks, and the position of each."""
    start, quoted = 0, False
    for position, char in enumerate(text):
        quoted ^= char == '"'
        if char == "," and not quoted:
            yield text[start:position].replace('"', ""), start
            start = position + 1
    yield text[start:].replace('"', ""), start


def _tokens(text: str) -> Iterator[Token]:
    position = _skip(_SPACE, text, 0)
    while position < len(text):
        token, end = _token(text, position)
        yield token
        position = _skip(_SPACE, text, end)
    yield Token(TokenKind.END, "", position)


def _token(text: str, start: int) -> tuple[Token, int]:
    char = text[start]
    if char in _SIGNS:
        return Token(_SIGNS[char], char, start), start + 1
    if char == '"':
        end = _closing_quote(text, start)
        return Token(TokenKind.QUOTED, text[start + 1 : end], start), end + 1
    if match := _AT_LEAST.match(text, start):
        return Token(TokenKind.AT_LEAST, match[1], start), match.end()
    end = _word_end(text, start)
    word = text[start:end]
    return Token(_KEYWORDS.get(word, TokenKind.WORD), word, start), end


def _word_end(text: str, start: int) -> int:
    """Return the end of a word: white space, `|`, or a `)` without its `(`. `cat_(animal)` is one word."""
    head = _FILTER_HEAD.match(text, start)
    position, opened = head.end() if head else start, 0
    while (position := _skip(_PLAIN, text, position)) < len(text):
        char = text[position]
        if char.isspace() or char == "|" or (char == ")" and not opened):
            break
        if char == '"':
            if not head:
                raise LexicalError("A quotation mark is inside a word", position, "a space before it")
            position = _closing_quote(text, position)
        opened += (char == "(") - (char == ")")
        position += 1
    return position


def _closing_quote(text: str, start: int) -> int:
    end = text.find('"', start + 1)
    if end < 0:
        raise LexicalError("The quotation mark is not closed", start, 'a closing "')
    return end


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
