"""Text to tokens, pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from app.search.language.filters import NAMES

_AT_LEAST = re.compile(r"([0-9]{1,3})-of:\(")
_SPACE = re.compile(r"\s*")
_FILTER_HEAD = re.compile(rf"(?:{'|'.join(NAMES)}):", re.IGNORECASE)


class Kind(Enum):
    """What a token is."""

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
    """A token, what it says, and the 0-based character where it starts."""

    kind: Kind
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class LexicalError(Exception):
    """The text cannot be cut into tokens."""

    detail: str
    position: int
    expected: str


_SIGNS = {"(": Kind.OPEN, ")": Kind.CLOSE, "|": Kind.OR, "-": Kind.MINUS}
_KEYWORDS = {"AND": Kind.AND, "OR": Kind.OR, "NOT": Kind.NOT}


def tokens(text: str) -> list[Token]:
    """Cut the text; the last token is END. Raises LexicalError."""
    return list(_tokens(text))


def split_values(text: str) -> Iterator[tuple[str, int]]:
    """Yield the comma-separated values of a filter, without their quotation marks, and where each starts."""
    start, quoted = 0, False
    for position, char in enumerate(text):
        quoted ^= char == '"'
        if char == "," and not quoted:
            yield text[start:position].replace('"', ""), start
            start = position + 1
    yield text[start:].replace('"', ""), start


def _tokens(text: str) -> Iterator[Token]:
    position = _skip_space(text, 0)
    while position < len(text):
        token, end = _token(text, position)
        yield token
        position = _skip_space(text, end)
    yield Token(Kind.END, "", position)


def _token(text: str, start: int) -> tuple[Token, int]:
    char = text[start]
    if char in _SIGNS:
        return Token(_SIGNS[char], char, start), start + 1
    if char == '"':
        end = _closing_quote(text, start)
        return Token(Kind.QUOTED, text[start + 1 : end], start), end + 1
    if match := _AT_LEAST.match(text, start):
        return Token(Kind.AT_LEAST, match[1], start), match.end()
    end = _word_end(text, start)
    word = text[start:end]
    return Token(_KEYWORDS.get(word, Kind.WORD), word, start), end


def _word_end(text: str, start: int) -> int:
    """A word ends at white space, at `|`, and at a `)` that it did not open: `cat_(animal)` is one."""
    head = _FILTER_HEAD.match(text, start)
    position, opened = head.end() if head else start, 0
    while position < len(text):
        char = text[position]
        if char.isspace() or char == "|" or (char == ")" and not opened):
            break
        if char == '"':
            if not head:
                raise LexicalError("A quotation mark inside of a word", position, "a space before it")
            position = _closing_quote(text, position)
        opened += (char == "(") - (char == ")")
        position += 1
    return position


def _closing_quote(text: str, start: int) -> int:
    end = text.find('"', start + 1)
    if end < 0:
        raise LexicalError("The quotation mark is not closed", start, 'a closing "')
    return end


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
