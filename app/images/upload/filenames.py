"""The one rule for image names, which are the files' original names."""

import re
import unicodedata
from typing import Annotated, NoReturn

from pydantic import AfterValidator, Field

from app.core.text.normalization import BIDI_CONTROLS, DEFAULT_IGNORABLE_CLASS, has_control

MAX_CHARACTERS = 255
MAX_BYTES = 1000
# Characters of a name as it is sent: a decomposed one has up to four for one of the name. It is checked before anything
# else: normalization takes quadratic time in a run of combining marks.
MAX_RAW_CHARACTERS = 4 * MAX_CHARACTERS
_INVISIBLE = re.compile(f"[{DEFAULT_IGNORABLE_CLASS}\u2028\u2029]")
# Where an invisible character changes what is displayed: it joins letters or emoji, or selects a variation of what
# stands before it (UTS #51, emoji sequences and tag sequences of flags; UAX #31, 2.3, of letters).
_VISIBLE = f"[^\\x00-\\x7f{DEFAULT_IGNORABLE_CLASS}]"
_DISPLAYED = re.compile(
    f"(?<={_VISIBLE})\ufe0f?[\u200c\u200d](?={_VISIBLE})"
    f"|(?<={_VISIBLE})[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    "|(?<=\U0001f3f4)[\U000e0020-\U000e007e]{1,16}\U000e007f"
)
_MAX_EXTENSION = 16
# A blank that is a symbol.
_BLANK = "\u2800"


def normalize_name(name: str) -> str:
    """Return the name in NFC. Raises ValueError; nothing else is changed: a client finds what it sent."""
    if len(name) > MAX_RAW_CHARACTERS:
        _refuse(f"a name must have 1 to {MAX_CHARACTERS} characters")
    if has_control(name):
        _refuse("a name must not contain control characters")
    name = unicodedata.normalize("NFC", name)
    if not name.strip().strip(_BLANK) or len(name) > MAX_CHARACTERS:
        _refuse(f"a name must have 1 to {MAX_CHARACTERS} characters")
    if BIDI_CONTROLS & set(name) or _INVISIBLE.search(_DISPLAYED.sub("", name)):
        _refuse("a name must not contain invisible or bidirectional control characters")
    if len(name.encode()) > MAX_BYTES:
        _refuse(f"a name can have at most {MAX_BYTES} bytes")
    if "/" in name or "\\" in name or name in (".", ".."):
        _refuse("a name must not contain / or \\ and must not be . or ..")
    return name


def numbered_name(name: str, number: int) -> str:
    """Return the name with ` (number)` before its extension, shortened where it would be too long."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > _MAX_EXTENSION:
        stem, dot, extension = name, "", ""
    suffix = f" ({number}){dot}{extension}"
    room = MAX_BYTES - len(suffix.encode())
    stem = stem[: MAX_CHARACTERS - len(suffix)].encode()[:room].decode(errors="ignore")
    return stem.rstrip() + suffix


ImageName = Annotated[
    str,
    Field(
        max_length=MAX_RAW_CHARACTERS,
        json_schema_extra={
            "minLength": 1,
            "maxLength": MAX_CHARACTERS,
            "pattern": r"^(?!\.{1,2}$)[^/\\\x00-\x1f\x7f-\x9f]+$",
        },
    ),
    AfterValidator(normalize_name),
]


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
