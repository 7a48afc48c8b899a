"""What a unit of work changes of that which the cache holds.

Every statement of a unit of work is looked at: no writer can forget to tell. One that changes a table which cached
answers are made of is taken to change them all, but where the code says that it changes less: `changing`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

# Every answer depends on this one, and on one of the others.
EVERYTHING = "all"
# Whatever lists or counts images or tags.
LISTS = "lists"

# An account's end takes it off its images.
_WRITE = re.compile(
    r"(?:(?:INSERT INTO|UPDATE|DELETE FROM) (?:images|tags|tagged|tag_implications)|DELETE FROM users)\b"
)
_ALL = frozenset({EVERYTHING})


def image_scope(image: UUID) -> str:
    """Return the scope of one image's own answers."""
    return f"image:{image.hex}"


class Changes:
    """Notes the changes of one unit of work: the scopes of the answers that are not right any more."""

    __slots__ = ("narrowed", "scopes")

    def __init__(self) -> None:
        self.scopes: set[str] = set()
        self.narrowed: frozenset[str] = _ALL

    def note(self, statement: str) -> None:
        """Look at a statement that is about to run."""
        if not self.scopes >= self.narrowed and _WRITE.search(statement):
            self.scopes |= self.narrowed


@contextmanager
def changing(session: AsyncSession, *scopes: str) -> Iterator[None]:
    """Say that what the session's unit of work does in the block changes no answers but those of these scopes."""
    changes: Changes = session.info["changes"]
    outer, changes.narrowed = changes.narrowed, frozenset(scopes)
    try:
        yield
    finally:
        changes.narrowed = outer
