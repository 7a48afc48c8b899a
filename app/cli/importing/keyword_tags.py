"""Turns the keywords in a file into tags."""

from collections.abc import Iterable
from pathlib import Path

from app.core.text.tag_names import MAX_TAGS_PER_IMAGE, normalize_tag
from app.media.metadata.photo_metadata import read_keywords

_SHOWN_LENGTH = 40


def add_keywords(path: Path, tags: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tags and those of the file's keywords, and the keywords that are no tags, each with the reason.

    Raises OSError if the file cannot be read.
    """
    with path.open("rb") as content:
        keywords = read_keywords(content)
    all_tags, ignored = dict.fromkeys(tags), []
    for keyword in keywords:
        try:
            tag = normalize_tag(keyword)
        except ValueError as error:
            ignored.append(f"{_shown(keyword)}: {error}")
            continue
        if tag in all_tags or len(all_tags) < MAX_TAGS_PER_IMAGE:
            all_tags[tag] = None
        else:
            ignored.append(f"{_shown(keyword)}: an image can have at most {MAX_TAGS_PER_IMAGE} tags")
    return tuple(all_tags), tuple(ignored)


def _shown(keyword: str) -> str:
    """Return the start of a keyword, in quotes, without characters that a terminal interprets."""
    return ascii(keyword[:_SHOWN_LENGTH]) if not keyword.isprintable() else repr(keyword[:_SHOWN_LENGTH])
