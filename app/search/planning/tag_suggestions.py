"""Finds tags of visible images by similar names."""

from collections.abc import Iterator, Sequence

from app.authz.visibility import VisibilityScope
from app.db.asyncpg_queries import Reader, fetch
from app.db.sql_text import BindParameters

MAX_SUGGESTIONS = 2
# A name of this length has 2,600 edits, which are looked up in the unique index.
MAX_EDITED_LENGTH = 32
# Shorter names have too few trigrams.
MIN_TRIGRAM_LENGTH = 5
MIN_SIMILARITY = 0.4
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789_- "
_NAMES = """
    SELECT n.name FROM tags n JOIN tags t ON t.id = coalesce(n.alias_of, n.id)"""


async def list_used_names(session: Reader, names: Sequence[str], visibility: VisibilityScope) -> set[str]:
    """Return those of the names that are tags, or aliases of tags, of visible images."""
    values = BindParameters()
    is_named = f"n.name = ANY({values.bind(names)})"
    statement = f"{_NAMES} WHERE {is_named} AND {visibility.used_tag_condition(values)}"
    return {row[0] for row in await fetch(session, statement, values.values)}


async def list_similar_names(session: Reader, name: str, visibility: VisibilityScope) -> list[str]:
    """Return up to two names of tags of visible images that differ by one edit, or else have similar trigrams."""
    if len(name) <= MAX_EDITED_LENGTH:
        values = BindParameters()
        is_edit = f"n.name = ANY({values.bind(sorted(set(edits(name))))})"
        used = visibility.used_tag_condition(values)
        statement = f"{_NAMES} WHERE {is_edit} AND {used} ORDER BY t.image_count DESC, n.name LIMIT {MAX_SUGGESTIONS}"
        if rows := await fetch(session, statement, values.values):
            return [row[0] for row in rows]
    if len(name) < MIN_TRIGRAM_LENGTH:
        return []
    values = BindParameters()
    word = values.bind(name, "text")
    used = visibility.used_tag_condition(values)
    # The operator uses the index over the trigrams.
    statement = f"""{_NAMES}
        WHERE n.name % {word} AND similarity(n.name, {word}) >= {MIN_SIMILARITY} AND {used}
        ORDER BY similarity(n.name, {word}) DESC, n.name LIMIT {MAX_SUGGESTIONS}"""
    return [row[0] for row in await fetch(session, statement, values.values)]


def edits(name: str) -> Iterator[str]:
    """Yield the names at one deletion, transposition, replacement or insertion of a character (Damerau, 1964)."""
    for place in range(len(name) + 1):
        head, tail = name[:place], name[place:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for char in _ALPHABET:
            yield head + char + tail
            if tail:
                yield head + char + tail[1:]
