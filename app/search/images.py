"""Finds a page of images, in time that does not grow with what matches.

There are two ways to a page. The *walk* goes along the index of the order and takes what matches: quick when much does.
The *gathering* collects all matches by the index over the tags and sorts them: quick when little does. Left to itself
PostgreSQL walks to the end of the table when it takes two common tags that never meet for a common pair. So the choice
is made here: gather what is known to be little; else walk a bounded number of rows; and gather when they gave no page,
for then there can be no great number of matches, unless they all lie far from where the walk began.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Select, String, any_, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.base import utc_now
from app.models import Image, Tag
from app.models.image import Visibility
from app.search import tree
from app.search.order import Entity, Order, Position
from app.search.plan import Plan
from app.search.vocabulary import look_up

# Measured at 1,000,000 images: a walked row costs about as much as a gathered one.
GATHERED_AT_ONCE = 1_500
LONG_WALK = 10_000
SHORT_WALK = 2_000


class FoundImage(NamedTuple):
    """An image and its sorted tags."""

    image: Image
    tags: list[str]


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose eyes look: an account's, an admin's, which see all, or a stranger's."""

    viewer_id: uuid.UUID | None = None
    sees_all: bool = False

    def condition(self, entity: Entity = Image) -> ColumnElement[bool]:
        """Return the condition under which an image may be seen: the one place that says it in SQL."""
        if self.sees_all:
            return true()
        public = entity.visibility == Visibility.PUBLIC
        return public if self.viewer_id is None else or_(public, entity.uploaded_by == self.viewer_id)


class ImageSearch:
    """Runs one query. The session's statements are bounded in time; see `Database.searcher`."""

    def __init__(self, session: AsyncSession, plan: Plan, sight: Sight, images: float) -> None:
        self._session = session
        self._plan = plan
        self._sight = sight
        self._images = images

    @classmethod
    async def prepare(cls, session: AsyncSession, query: tree.Node, sight: Sight) -> "ImageSearch":
        """Look up what the query names. Raises QueryTooBroad."""
        vocabulary = await look_up(session, query)
        plan = Plan(query, vocabulary, sight.viewer_id, utc_now())
        return cls(session, plan, sight, await count_roughly(session))

    async def page(self, order: Order, after: Position | None, limit: int) -> list[FoundImage]:
        """Return up to `limit` matches after the position. Raises QueryTimeout."""
        at_most = self._plan.at_most(self._images)
        if at_most > GATHERED_AT_ONCE:
            bound = LONG_WALK if at_most > LONG_WALK else SHORT_WALK
            found = await self._walk(order, after, bound, limit)
            if len(found) == limit:
                return found
        return await self._gather(order, after, limit)

    def condition(self, entity: Entity = Image) -> ColumnElement[bool]:
        """Return what an image must fulfil to be in the result."""
        return self._plan.condition(entity) & self._sight.condition(entity)

    @property
    def indexed(self) -> bool:
        """Whether an index finds the matches."""
        return self._plan.indexed

    @property
    def unrestricted(self) -> bool:
        """Whether all that there is matches."""
        return self._plan.query == tree.EVERYTHING

    async def _walk(self, order: Order, after: Position | None, bound: int, limit: int) -> list[FoundImage]:
        *first, last = order.segments(Image, after)
        found: list[FoundImage] = []
        for segment in first:
            found += await self._walk_segment(order, segment, bound, limit)
            if len(found) == limit or not await self._ends_within(segment, bound):
                return found
        return found + await self._walk_segment(order, last, bound, limit - len(found))

    async def _walk_segment(
        self, order: Order, segment: ColumnElement[bool], bound: int, limit: int
    ) -> list[FoundImage]:
        narrowing = frozenset({"date", "uploader"} if order.name == "created" else {order.name})
        stretch = select(Image).where(segment, self._plan.leading(Image, narrowing))
        walked = stretch.order_by(*order.walk(Image)).limit(bound).subquery("walked")
        image = aliased(Image, walked)
        statement = select(image, tag_names(image)).where(self.condition(image))
        return await self._fetch(statement.order_by(*order.walk(image)).limit(limit))

    async def _ends_within(self, segment: ColumnElement[bool], bound: int) -> bool:
        """Tell whether the walk has seen the whole segment, so that the next one may follow."""
        rows = select(Image.sha256).where(segment).limit(bound + 1).subquery()
        return (await self._session.scalar(select(func.count()).select_from(rows)) or 0) <= bound

    async def _gather(self, order: Order, after: Position | None, limit: int) -> list[FoundImage]:
        columns = {column.name: column for column in (Image.id, *order.columns(Image))}
        matches = select(*columns.values()).where(self.condition()).cte("matches").prefix_with("MATERIALIZED")
        there: Any = matches.c
        first = select(there.id).where(or_(*order.segments(there, after))).order_by(*order.whole(there)).limit(limit)
        top = first.subquery("top")
        statement = select(Image, tag_names(Image)).join(top, top.c.id == Image.id)
        return await self._fetch(statement.order_by(*order.whole(Image)))

    async def _fetch(self, statement: Select[Image, Sequence[str]]) -> list[FoundImage]:
        return [FoundImage(image, list(tags)) for image, tags in await self._session.execute(statement)]


def tag_names(entity: Entity) -> ColumnElement[Sequence[str]]:
    """Return the sorted names of an image's tags, as an array."""
    names = select(Tag.name).where(Tag.id == any_(entity.tag_ids)).order_by(Tag.name)
    return func.array(names.scalar_subquery(), type_=ARRAY(String))


async def count_roughly(session: AsyncSession) -> float:
    """Return about how many images there are, as PostgreSQL last counted them."""
    estimate = await session.scalar(text("SELECT reltuples FROM pg_class WHERE oid = 'images'::regclass"))
    return max(float(estimate or 0), 1.0)
