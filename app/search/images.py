"""Finds a page of images, in time that does not grow with what matches.

There are two ways to a page. The *walk* goes along the index of the order and takes what matches: quick when much does.
The *gathering* collects all matches by the index over the tags and sorts them: quick when little does. Left to itself
PostgreSQL walks to the end of the table when it takes two common tags that never meet for a common pair. So the choice
is made here: gather what is known to be little; else walk a short way, which tells how much matches, and by that either
walk on or gather.
"""

import math
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, or_, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.db.session import SLOW_LANE
from app.models import Image
from app.models.image import Visibility
from app.search import tree
from app.search.order import Order, Position, Segment
from app.search.plan import Plan
from app.search.sql import EVERY, Condition, Values, all_true
from app.search.vocabulary import look_up

# Measured at 1,000,000 images: a gathered row costs 2.2 microseconds, and so does one that is walked in an order that
# the table does not lie in. It does in the order of creation: there the walk goes from one row to its neighbour.
GATHERED_AT_ONCE = 1_500
SHORT_WALK = 2_000
LONGEST_WALK = 32_000
LONGEST_WALK_ACROSS = 16_000
# What no index finds is gathered from the whole table: nearly any walk is shorter.
LONGEST_WALK_UNINDEXED = 100_000
# The short walk may have met with more than there are elsewhere; a walk that finds its page ends before.
_MARGIN = 2.5


class Seen(Protocol):
    """What decides who may see an image."""

    @property
    def uploaded_by(self) -> uuid.UUID | None:
        """The account that the image belongs to."""

    @property
    def visibility(self) -> Visibility:
        """Whether everybody may see it."""


class FoundImage(NamedTuple):
    """An image as a search finds it, with its sorted tags; the fields are the columns of `images`."""

    id: uuid.UUID
    name: str
    content_type: str
    size: int
    width: int
    height: int
    sha256: bytes
    visibility: Visibility
    uploaded_by: uuid.UUID | None
    created_at: datetime
    pixels: int
    tag_count: int
    tags: list[str]


TAG_NAMES = "ARRAY(SELECT tags.name FROM tags WHERE tags.id = ANY(images.tag_ids) ORDER BY tags.name)"
_FETCH = text(
    f"SELECT {', '.join(f'images.{name}' for name in FoundImage._fields[:-1])}, {TAG_NAMES} "  # noqa: S608 - constants
    "FROM images WHERE images.id = ANY(:ids)"
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose eyes look: an account's, an admin's, which see all, or a stranger's."""

    viewer_id: uuid.UUID | None = None
    sees_all: bool = False

    def condition(self) -> ColumnElement[bool]:
        """Return the condition under which an image may be seen: this, and the next two, are all who say it."""
        if self.sees_all:
            return true()
        public = Image.visibility == Visibility.PUBLIC
        return public if self.viewer_id is None else or_(public, Image.uploaded_by == self.viewer_id)

    def sql(self, values: Values) -> Condition:
        """Say the same as text."""
        if self.sees_all:
            return EVERY
        public = "visibility = 'public'"
        return public if self.viewer_id is None else f"({public} OR uploaded_by = {values.bind(self.viewer_id)})"

    def sees(self, image: Seen) -> bool:
        """Tell the same of an image at hand."""
        own = self.viewer_id is not None and image.uploaded_by == self.viewer_id
        return self.sees_all or own or image.visibility == Visibility.PUBLIC


class ImageSearch:
    """Runs one query. The session's statements are bounded in time; see `Database.searcher`."""

    def __init__(self, session: AsyncSession, plan: Plan, sight: Sight) -> None:
        self._session = session
        self._plan = plan
        self._sight = sight

    @classmethod
    async def prepare(cls, session: AsyncSession, query: tree.Node, sight: Sight) -> "ImageSearch":
        """Look up what the query names. Raises QueryTooBroad."""
        return cls(session, Plan(query, await look_up(session, query), sight.viewer_id, utc_now()), sight)

    async def page(self, order: Order, after: Position | None, limit: int) -> tuple[list[FoundImage], bool]:
        """Return up to `limit` matches after the position, and whether there are more. Raises QueryTimeout."""
        ids = await self._find(order, after, limit + 1)
        fetched = {row.id: FoundImage(*row) for row in await self._session.execute(_FETCH, {"ids": ids[:limit]})}
        # What was deleted or hidden since it was found is left out; the page is shorter, and the next one follows.
        found = [one for id_ in ids[:limit] if (one := fetched.get(id_)) and self._sight.sees(one)]
        return found, len(ids) > limit and bool(found)

    async def list_ids(self, owner: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
        """Return the ids of up to `limit` matches, in no order; with an owner, of theirs only. Raises QueryTimeout."""
        values = Values()
        owned = EVERY if owner is None else f"uploaded_by = {values.bind(owner)}"
        condition = all_true([self.condition(values), owned])
        statement = f"SELECT id FROM images WHERE {condition} LIMIT {values.bind(limit)}"  # noqa: S608
        return await self._ids(statement, values)

    def condition(self, values: Values) -> Condition:
        """Return what an image must fulfil to be in the result."""
        return all_true([self._plan.condition(values), self._sight.sql(values)])

    @property
    def indexed(self) -> bool:
        """Whether an index finds the matches."""
        return self._plan.indexed

    @property
    def unrestricted(self) -> bool:
        """Whether all that there is matches."""
        return self._plan.query == tree.EVERYTHING

    async def _find(self, order: Order, after: Position | None, limit: int) -> list[uuid.UUID]:
        if self._plan.at_most <= GATHERED_AT_ONCE:
            return await self._gather(order, after, limit)
        ids, done = await self._walk(order, after, SHORT_WALK, limit)
        if done:
            return ids
        needed = SHORT_WALK * _MARGIN * limit / len(ids) if ids else math.inf
        return await self._search_far(order, after, limit, needed)

    async def _search_far(self, order: Order, after: Position | None, limit: int, needed: float) -> list[uuid.UUID]:
        """Go on where the short walk was not enough; what may be long waits for its turn, without a connection."""
        async with AsyncExitStack() as stack:
            if self._plan.unbounded:
                await self._session.rollback()
                await stack.enter_async_context(self._session.info[SLOW_LANE])
            if (bound := min(needed, self._longest_walk(order, needed))) > 0:
                ids, done = await self._walk(order, after, round(bound), limit)
                if done:
                    return ids
            return await self._gather(order, after, limit)

    def _longest_walk(self, order: Order, needed: float) -> float:
        """Return how far to walk where a page needs so many rows: 0 where gathering is the shorter way."""
        if not self.indexed:
            return LONGEST_WALK_UNINDEXED
        longest = LONGEST_WALK_ACROSS
        if order.name == "created":
            # Gathering meets with all that has the tags, and only then with the filters.
            longest = LONGEST_WALK if self._plan.tags_only else 2 * LONGEST_WALK
        return longest if needed <= longest else 0

    async def _walk(self, order: Order, after: Position | None, bound: int, limit: int) -> tuple[list[uuid.UUID], bool]:
        """Return what matches on the way, and whether that is the page: it is full, or there is nothing further."""
        ids: list[uuid.UUID] = []
        for segment in order.segments(after):
            ids += await self._walk_segment(order, segment, bound, limit - len(ids))
            if len(ids) == limit:
                return ids, True
            if not await self._ends_within(order, segment, bound):
                return ids, False
        return ids, True

    async def _walk_segment(self, order: Order, segment: Segment, bound: int, limit: int) -> list[uuid.UUID]:
        values = Values()
        statement = f"""
            SELECT id FROM (
                SELECT * FROM images WHERE {self._stretch(order, segment, values)}
                ORDER BY {order.walk()} LIMIT {values.bind(bound)}
            ) AS walked
            WHERE {self.condition(values)} ORDER BY {order.walk()} LIMIT {values.bind(limit)}"""  # noqa: S608
        return await self._ids(statement, values)

    async def _ends_within(self, order: Order, segment: Segment, bound: int) -> bool:
        """Tell whether a walk so long has seen all of the segment."""
        values = Values()
        stretch = self._stretch(order, segment, values)
        rows = f"SELECT FROM images WHERE {stretch} LIMIT {values.bind(bound + 1)}"
        counted = await self._session.scalar(text(f"SELECT count(*) FROM ({rows}) AS rows"), values.by_name)  # noqa: S608
        return (counted or 0) <= bound

    def _stretch(self, order: Order, segment: Segment, values: Values) -> Condition:
        """Return what the index that the order is walked along can tell: the segment, and filters by its columns."""
        narrowing = frozenset({"date", "uploader"} if order.name == "created" else {order.name})
        return all_true([segment(values), self._plan.leading(values, narrowing)])

    async def _gather(self, order: Order, after: Position | None, limit: int) -> list[uuid.UUID]:
        values = Values()
        later = " OR ".join(segment(values) for segment in order.segments(after))
        statement = f"""
            WITH matches AS MATERIALIZED (SELECT id, {order.column} FROM images WHERE {self.condition(values)})
            SELECT id FROM matches WHERE {later} ORDER BY {order.whole(values)} LIMIT {values.bind(limit)}"""  # noqa: S608
        return await self._ids(statement, values)

    async def _ids(self, statement: str, values: Values) -> list[uuid.UUID]:
        found: Any = await self._session.scalars(text(statement), values.by_name)
        return list(found)
