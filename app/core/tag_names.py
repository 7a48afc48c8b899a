"""The one rule for tag names."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.core.text import has_control

MAX_LENGTH = 64
MAX_TAGS_PER_IMAGE = 100
_PUNCTUATION = frozenset("_-.:()'&!+~# ")
_WHITE_SPACE = re.compile(r"\s+")


def normalize_tag(name: str) -> str:
    """Return the name in NFC, case-folded, its white space runs as one space, trimmed. Raises ValueError."""
    tag = fold_tag(name).strip()
    if not 1 <= len(tag) <= MAX_LENGTH:
        _refuse(f"a tag has 1 to {MAX_LENGTH} characters")
    if tag[0] in "-~":
        _refuse("a tag does not start with - or ~")
    if not all(_is_allowed(char) for char in tag):
        _refuse("a tag has letters, digits, spaces and _ - . : ( ) ' & ! + ~ # only")
    return tag


def fold_tag(text: str) -> str:
    """Return a tag or a part of one in NFC, case-folded, its white space runs as one space. Raises ValueError."""
    if has_control(_WHITE_SPACE.sub(" ", text)):
        _refuse("a tag must not contain control characters")
    # Case folding can leave NFC, and composing again can bring back what folds: a fixed point is reached in two turns.
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", folded.casefold()))


def normalize_tag_pattern(pattern: str) -> str:
    """Return a pattern over tag names, `*` for any characters, under the same rule. Raises ValueError."""
    folded = re.sub(r"\*+", "*", fold_tag(pattern))
    if len(folded) > MAX_LENGTH + 1:
        _refuse(f"a tag has 1 to {MAX_LENGTH} characters")
    if folded[0] in "-~" or not all(_is_allowed(char) or char == "*" for char in folded):
        _refuse("a tag has letters, digits, spaces and _ - . : ( ) ' & ! + ~ # only")
    return folded


def normalize_tags(names: Iterable[str]) -> list[str]:
    """Return the normalised names, sorted, each once. Raises ValueError, also for more than an image may have."""
    tags = sorted({normalize_tag(name) for name in names})
    if len(tags) > MAX_TAGS_PER_IMAGE:
        _refuse(f"an image has at most {MAX_TAGS_PER_IMAGE} tags")
    return tags


# Regular expressions of JSON schemas have no classes of characters, so this excludes what ASCII has beside them.
TAG_SCHEMA: dict[str, Any] = {
    "minLength": 1,
    "maxLength": MAX_LENGTH,
    "pattern": r"""^(?![-~])[^\x00-\x1f"$%*,/;<=>?@\[\\\]^`{|}\x7f-\x9f]+$""",
}
TagNames = Annotated[
    list[Annotated[str, Field(json_schema_extra=TAG_SCHEMA)]],
    Field(max_length=1000, examples=[["cat", "sofa"]]),
    AfterValidator(normalize_tags),
]


def _is_allowed(char: str) -> bool:
    # L letters, N digits, M the marks that many scripts write their letters with.
    return char in _PUNCTUATION or unicodedata.category(char)[0] in "LNM"


def _refuse(reason: str) -> None:
    raise ValueError(reason)
