"""The characters that strings of a request may have, and the length up to which a string is looked at.

NUL and lone surrogates would otherwise surface as database errors.
"""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

# The limit of every string without a lower one. It is checked first: what follows may take more than linear time.
MAX_LENGTH = 4096

# Explicit directional marks and formatting (UAX #9): they make a name read other than it is.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16.0: characters that are displayed as nothing.
# https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt
DEFAULT_IGNORABLE = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
# For a regular expression.
DEFAULT_IGNORABLE_CLASS = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in DEFAULT_IGNORABLE)


def has_control(text: str) -> bool:
    """Return whether `text` has a control character (Cc) or a lone surrogate (Cs)."""
    return not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def refuse_control(text: str) -> str:
    """Return `text` as it is. Raises ValueError when it has control characters or lone surrogates."""
    if has_control(text):
        msg = "The value must not contain control characters."
        raise ValueError(msg)
    return text


def matches(pattern: str, message: str) -> AfterValidator:
    """Return a validator that refuses what the regular expression does not match as a whole, with this message."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(message)
        return text

    return AfterValidator(check)


# For JSON schemas; regular expressions there have no classes for the other control characters.
WITHOUT_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
Text = Annotated[
    str,
    Field(max_length=MAX_LENGTH),
    AfterValidator(refuse_control),
    Field(json_schema_extra={"pattern": WITHOUT_CONTROL}),
]
