"""The pattern of the names that a list of tags shows."""

from app.core.errors import ValidationFailed
from app.core.text.tag_names import fold_tag


def build_name_pattern(prefix: str, contains: str) -> str:
    """Return a pattern with `*` for any characters. Raises ValidationFailed for characters that no tag can have."""
    try:
        start, middle = (fold_tag(part).lstrip() for part in (prefix, contains))
    except ValueError as error:
        raise ValidationFailed.at(["query", "prefix"], str(error)) from error
    # No tag has a star or a percent sign, so a star of the client becomes a sign that matches nothing.
    start, middle = start.replace("*", "%"), middle.replace("*", "%")
    return f"{start}*{middle}*" if middle else f"{start}*"
