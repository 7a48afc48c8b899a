"""What a string from outside may hold. NUL and lone surrogates would otherwise surface as database errors."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

# Explicit bidirectional formatting (UAX #9): it makes a name read other than it is.
BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def has_control(text: str) -> bool:
    """Tell whether `text` has a control character (Cc) or a lone surrogate (Cs)."""
    return not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def refuse_control(text: str) -> str:
    """Return `text` as it is. Raises ValueError when it has control characters or lone surrogates."""
    if has_control(text):
        msg = "control characters are not allowed"
        raise ValueError(msg)
    return text


Text = Annotated[str, AfterValidator(refuse_control)]
