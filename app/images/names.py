"""The one rule for image names, which are the files' original names."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.text import BIDI_OVERRIDES, has_control

MAX_CHARACTERS = 255
MAX_BYTES = 1000


def normalize_name(name: str) -> str:
    """Return the name in NFC. Raises ValueError; nothing else is changed: a client finds what it sent."""
    name = unicodedata.normalize("NFC", name)
    if not name.strip() or len(name) > MAX_CHARACTERS:
        _refuse(f"a name has 1 to {MAX_CHARACTERS} characters")
    if has_control(name) or BIDI_OVERRIDES & set(name):
        _refuse("a name must not contain control or bidi-override characters")
    if len(name.encode()) > MAX_BYTES:
        _refuse(f"a name has at most {MAX_BYTES} bytes")
    if "/" in name or "\\" in name:
        _refuse("a name has no / or \\")
    return name


ImageName = Annotated[
    str,
    AfterValidator(normalize_name),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CHARACTERS, "pattern": r"^[^/\\\x00-\x1f\x7f-\x9f]+$"}),
]


def _refuse(reason: str) -> None:
    raise ValueError(reason)
