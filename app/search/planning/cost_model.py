"""What the ways to a page cost, in microseconds: measured at 1,000,000 images that PostgreSQL has in memory."""

import math
from dataclasses import dataclass

from app.models.bitmap import CHUNK

# A row that is walked to: in the order of creation the table lies in, the next one is a neighbour.
_IN_ORDER, _ACROSS = 0.3, 2.3
# A row that is looked at because an index names it, and an entry of the index over the tags that is read for that.
_LOOK, _ENTRY = 1.6, 0.1
# A name that is read in the index of the names; of those, a prefix is taken to leave so large a part.
_NAME, _PREFIXED = 0.1, 0.1
# A row of a stretch, whose index is read twice; and the statement more that this takes.
_STRETCH, _STATEMENT = 0.08, 300
# Of a bitmap, the row of a chunk; and an image that the bitmaps name, which is looked up by its number and its id.
_CHUNK_ROW, _NAMED = 3, 5
# Of tags that more images than this have, the index has too much to read.
_MOST_ENTRIES = 60_000
# What is expected may have been met with by chance: so much further is gone before it is given up.
MARGIN = 2.5


@dataclass(frozen=True, slots=True)
class CostInputs:
    """What is known of a query: of `images` in all, `at_most` have the tags, and a page is full after `expected` rows.

    `in_order` says that the order is that of creation, `exact` that whatever has the tags matches, `prefixed` that all
    matches have names that begin alike.
    """

    images: float
    at_most: float
    expected: float
    limit: int
    in_order: bool
    exact: bool
    prefixed: bool

    @property
    def reach(self) -> int:
        """How far to go for the page."""
        return 0 if math.isinf(self.expected) else max(self.limit, math.ceil(MARGIN * self.expected))

    @property
    def longest_walk(self) -> int:
        """How far to walk for the page: no further than to gather all matches costs."""
        return min(self.reach, math.ceil(self.gather() / self._step))

    def walk(self) -> float:
        """Return the cost of going along the index of the order until the page is full."""
        return self._step * self.expected

    def gather(self) -> float:
        """Return the cost of collecting all matches."""
        cost = _ENTRY * self.at_most + _LOOK * self._looked_at
        return min(cost, _NAME * _PREFIXED * self.images) if self.prefixed else cost

    def gather_near(self) -> float:
        """Return the cost of collecting the matches among the next `reach` rows."""
        if self.at_most > _MOST_ENTRIES or math.isinf(self.expected):
            return math.inf
        near = min(1, self.reach / self.images) * self._looked_at
        return _STATEMENT + _STRETCH * self.reach + _ENTRY * self.at_most + _LOOK * near

    @property
    def _step(self) -> float:
        return _IN_ORDER if self.in_order else _ACROSS

    @property
    def _looked_at(self) -> float:
        """How many images the index over the tags names."""
        return min(self.at_most, self.images * self.limit / self.expected) if self.exact else self.at_most


def by_bitmaps(images: float, tags: int, named: float) -> float:
    """Return the cost of reading the bitmaps of so many tags, and of looking at so many images that they name."""
    return _STATEMENT + _CHUNK_ROW * (1 + tags) * images / CHUNK + _NAMED * named
