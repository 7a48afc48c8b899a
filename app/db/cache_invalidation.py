"""Tracks which cached responses a unit of work invalidates.

Every statement of a unit of work is inspected, so no writer can forget to invalidate. A change of a table that cached
responses depend on invalidates all of them, unless the code narrows it with `invalidates_only`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID

# Every cached response depends on this scope, and on one of the others.
EVERYTHING = "all"
# Responses that list or count images or tags.
LISTS = "lists"

# Deleting an account removes it from its images.
_WRITE = re.compile(
    r"(?:(?:INSERT INTO|UPDATE|DELETE FROM) (?:images|image_hashes|tags|tagged|tag_implications)|DELETE FROM users)\b"
)
_ALL = frozenset({EVERYTHING})


def image_scope(image: UUID) -> str:
    """Return the scope of one image's own responses."""
    return f"image:{image.hex}"


class InvalidationTracker:
    """Collects the scopes that one unit of work invalidates."""

    __slots__ = ("narrowed", "scopes")

    def __init__(self) -> None:
        self.scopes: set[str] = set()
        self.narrowed: frozenset[str] = _ALL

    def note(self, statement: str) -> None:
        """Inspect a statement before it runs."""
        if not self.scopes >= self.narrowed and _WRITE.search(statement):
            self.scopes |= self.narrowed


class HasInfo(Protocol):
    """A session, or what runs statements without one."""

    @property
    def info(self) -> Mapping[Any, Any]:
        """The objects of the unit of work, with its tracker."""
        ...


@contextmanager
def invalidates_only(session: HasInfo, *scopes: str) -> Iterator[None]:
    """Declare that the session's changes within the block invalidate these scopes only."""
    tracker: InvalidationTracker = session.info["changes"]
    outer, tracker.narrowed = tracker.narrowed, frozenset(scopes)
    try:
        yield
    finally:
        tracker.narrowed = outer
