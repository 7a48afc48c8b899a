"""What a string from outside may hold. NUL and lone surrogates would otherwise surface as database errors."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

# Explicit bidirectional formatting (UAX #9): it makes a name read other than it is.
BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def has_control(text: str) -> bool:
    """Tell whether `text` has a control character (Cc) or a lone surrogate (Cs)."""
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
Text = Annotated[str, AfterValidator(refuse_control), Field(json_schema_extra={"pattern": WITHOUT_CONTROL})]
