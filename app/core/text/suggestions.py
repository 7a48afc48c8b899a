"""Suggestions for misspelled names."""

import difflib
from collections.abc import Collection

MAX_LENGTH = 64
CUTOFF = 0.7


def closest_match(word: str, known: Collection[str]) -> str | None:
    """Return the known name that is most similar to `word`, or None if no name is similar enough.

    The comparison is quadratic in the length of the words, so a word of more than MAX_LENGTH characters has no match.
    """
    if len(word) > MAX_LENGTH:
        return None
    matches = difflib.get_close_matches(word, known, n=1, cutoff=CUTOFF)
    return matches[0] if matches else None
