"""The one rule for tag names, wherever they enter: bodies, paths, forms, queries, the import command."""

import contextlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, NoReturn

import idna
from pydantic import AfterValidator, Field

from app.core.text.normalization import DEFAULT_IGNORABLE_CLASS, has_control

MAX_LENGTH = 64
# Characters of a name as it is sent: a decomposed one has up to four for one of the tag, or more white space. It is
# checked before anything else: normalization takes quadratic time in a run of combining marks.
MAX_RAW_LENGTH = 4 * MAX_LENGTH
MAX_TAGS_PER_IMAGE = 100
# Names in one list, repeated ones included.
MAX_NAMES = 500
# `.` and `..` as a segment of a path are removed by clients (RFC 3986, 5.2.4): the request would reach the parent. The
# others look like operators of the search language.
RESERVED = frozenset((".", "..", "or", "and", "not"))
_PUNCTUATION = frozenset("_-.:()'&!+~# ")
_JOINERS = frozenset("\u200c\u200d")
_WHITE_SPACE = re.compile(r"\s+")
# Most names are ASCII: one match takes a tenth of the time of a look at each character.
_ASCII_NAME = re.compile(r"[A-Za-z0-9_\-.:()'&!+~# ]+")
_INVISIBLE = re.compile(f"[{DEFAULT_IGNORABLE_CLASS}]")
_CHARACTERS = "a tag can contain only letters, digits, spaces and _ - . : ( ) ' & ! + ~ #"


def normalize_tag(name: str) -> str:
    """Return the name in NFC, case-folded, its white space runs as one space, trimmed. Raises ValueError."""
    tag = normalize_tag_term(name)
    if tag in RESERVED:
        _refuse("a tag must not be . or .. or an operator: or, and, not")
    return tag


def normalize_tag_term(name: str) -> str:
    """Return the name as `normalize_tag` does, but accept reserved ones, as searches do. Raises ValueError."""
    tag = fold_tag(name).strip()
    if not 1 <= len(tag) <= MAX_LENGTH:
        _refuse(f"a tag must have 1 to {MAX_LENGTH} characters")
    if tag[0] in "-~":
        _refuse("a tag must not start with - or ~")
    if not _ASCII_NAME.fullmatch(tag) and not all(_is_allowed_at(tag, position) for position in range(len(tag))):
        _refuse(_CHARACTERS)
    return tag


def fold_tag(text: str) -> str:
    """Return a tag or a part of one in NFC, case-folded, its white space runs as one space. Raises ValueError."""
    if len(text) > MAX_RAW_LENGTH:
        _refuse(f"a tag must have 1 to {MAX_LENGTH} characters")
    if has_control(text):
        _refuse("a tag must not contain control characters")
    if text.isascii():
        return _WHITE_SPACE.sub(" ", text.lower())
    # Case folding can leave NFC, and composing again can bring back what folds: a fixed point is reached in two turns.
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", folded.casefold()))


def normalize_tag_pattern(pattern: str) -> str:
    """Return a pattern over tag names, `*` for any characters, under the same rule. Raises ValueError."""
    folded = re.sub(r"\*+", "*", fold_tag(pattern))
    if len(folded) > MAX_LENGTH + 1:
        _refuse(f"a tag must have 1 to {MAX_LENGTH} characters")
    # A `*` may stand for what a mark or a joiner follows.
    if folded[0] in "-~" or not all(char in "*\u200c\u200d" or _is_allowed(char) for char in folded):
        _refuse(_CHARACTERS)
    return folded


def normalize_tags(names: Iterable[str]) -> list[str]:
    """Return the normalised names, sorted, each once. Raises ValueError, also for more than an image may have."""
    tags: set[str] = set()
    for name in dict.fromkeys(names):
        tags.add(normalize_tag(name))
        if len(tags) > MAX_TAGS_PER_IMAGE:
            _refuse(f"An image can have at most {MAX_TAGS_PER_IMAGE} tags.")
    return sorted(tags)


def split_tags(text: str) -> list[str]:
    """Return the normalised names of a comma-separated list. Raises ValueError."""
    if text.count(",") >= MAX_NAMES:
        _refuse(f"a list can have at most {MAX_NAMES} names")
    return normalize_tags(name for name in text.split(",") if name.strip() or has_control(name))


def tag_from_text(text: str) -> str | None:
    """Return the tag for any text such as the name of a folder; None where nothing of it makes one.

    A name that is valid gives what `normalize_tag` gives. Otherwise each character that a tag cannot have becomes a
    space, invisible ones disappear, and signs that cannot start a tag are removed.
    """
    if len(text) > MAX_RAW_LENGTH:
        return None
    with contextlib.suppress(ValueError):
        return normalize_tag(text)
    composed = unicodedata.normalize("NFC", text)
    # Each decision needs the characters around the one decided: they are the composed text's own.
    words = "".join(_kept(composed, position) for position in range(len(composed)))
    try:
        return normalize_tag(words.lstrip("-~ "))
    except ValueError:
        return None


# Regular expressions of JSON schemas have no classes of characters, so this excludes what ASCII has beside them.
TAG_SCHEMA: dict[str, Any] = {
    "minLength": 1,
    "maxLength": MAX_LENGTH,
    "pattern": r"""^(?![-~]|\.{1,2}$)[^\x00-\x1f"$%*,/;<=>?@\[\\\]^`{|}\x7f-\x9f]+$""",
}
TagName = Annotated[
    str,
    Field(max_length=MAX_RAW_LENGTH, json_schema_extra=TAG_SCHEMA, examples=["cat"]),
    AfterValidator(normalize_tag),
]
_RawName = Annotated[str, Field(max_length=MAX_RAW_LENGTH, json_schema_extra=TAG_SCHEMA)]
TagNames = Annotated[
    list[_RawName], Field(max_length=MAX_NAMES, examples=[["cat", "sofa"]]), AfterValidator(normalize_tags)
]


def _kept(text: str, position: int) -> str:
    if _is_allowed_at(text, position):
        return text[position]
    return "" if _INVISIBLE.match(text, position) else " "


def _is_allowed_at(text: str, position: int) -> bool:
    """Return whether the character may stand there: a mark only after what it belongs to, a joiner only in a word."""
    char = text[position]
    if char in _JOINERS:
        return _joins(text, position)
    if not _is_allowed(char):
        return False
    return char.isascii() or not _is_mark(char) or (position > 0 and _is_word(text[position - 1]))


def _joins(text: str, position: int) -> bool:
    """Return whether U+200C or U+200D shows in the word that it stands in (UAX #31, 2.3, rules A1, A2 and B).

    These are the contextual rules of RFC 5892, A.1 and A.2. Besides, a letter of the same script must follow.
    """
    before, after = text[max(position - 1, 0) : position], text[position + 1 : position + 2]
    if not after or unicodedata.category(after)[0] != "L" or _script(before) != _script(after):
        return False
    try:
        return idna.valid_contextj(text, position)
    except ValueError:
        return False


def _script(char: str) -> str:
    """Return the first word of the character's name, which is the script for letters and marks of scripts."""
    return unicodedata.name(char, "").partition(" ")[0] if char else ""


@lru_cache(maxsize=4096)
def _is_allowed(char: str) -> bool:
    """Return whether the character is a letter, a digit, a mark that letters are written with, or allowed punctuation.

    Enclosing marks (Me) are no part of words (UAX #31, XID_Continue).
    """
    if char.isascii():
        return char.isalnum() or char in _PUNCTUATION
    category = unicodedata.category(char)
    return (category[0] in "LN" or category in ("Mn", "Mc")) and not _INVISIBLE.match(char)


@lru_cache(maxsize=4096)
def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def _is_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM"


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
