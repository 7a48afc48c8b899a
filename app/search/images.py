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
from typing import Any, NamedTuple, cast

from sqlalchemy import ARRAY, ColumnElement, Result, String, Uuid, any_, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

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
# The plain columns: conditions on them are made in half the time that they take on the mapped attributes.
IMAGES = cast("Entity", Image.__table__.c)


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

    def sees(self, image: Image) -> bool:
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
        fetched = {image.id: FoundImage(image, list(tags)) for image, tags in await self._fetch(ids[:limit])}
        # What was deleted or hidden since it was found is left out; the page is shorter, and the next one follows.
        found = [one for id_ in ids[:limit] if (one := fetched.get(id_)) and self._sight.sees(one.image)]
        return found, len(ids) > limit and bool(found)

    async def _find(self, order: Order, after: Position | None, limit: int) -> list[uuid.UUID]:
        if self._plan.at_most > GATHERED_AT_ONCE:
            bound = LONG_WALK if self._plan.at_most > LONG_WALK else SHORT_WALK
            ids = await self._walk(order, after, bound, limit)
            if len(ids) == limit:
                return ids
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

    async def _walk(self, order: Order, after: Position | None, bound: int, limit: int) -> list[uuid.UUID]:
        *first, last = order.segments(IMAGES, after)
        ids: list[uuid.UUID] = []
        for segment in first:
            ids += await self._walk_segment(order, segment, bound, limit)
            if len(ids) == limit or not await self._ends_within(segment, bound):
                return ids
        return ids + await self._walk_segment(order, last, bound, limit - len(ids))

    async def _walk_segment(
        self, order: Order, segment: ColumnElement[bool], bound: int, limit: int
    ) -> list[uuid.UUID]:
        narrowing = frozenset({"date", "uploader"} if order.name == "created" else {order.name})
        stretch = select(Image.__table__).where(segment, self._plan.leading(IMAGES, narrowing))
        walked: Any = stretch.order_by(*order.walk(IMAGES)).limit(bound).subquery("walked").c
        statement = select(walked.id).where(self.condition(walked)).order_by(*order.walk(walked)).limit(limit)
        return list(await self._session.scalars(statement))

    async def _ends_within(self, segment: ColumnElement[bool], bound: int) -> bool:
        """Tell whether the walk has seen the whole segment, so that the next one may follow."""
        rows = select(IMAGES.sha256).where(segment).limit(bound + 1).subquery()
        return (await self._session.scalar(select(func.count()).select_from(rows)) or 0) <= bound

    async def _gather(self, order: Order, after: Position | None, limit: int) -> list[uuid.UUID]:
        columns = {column.name: column for column in (IMAGES.id, *order.columns(IMAGES))}
        matches = select(*columns.values()).where(self.condition(IMAGES)).cte("matches")
        there: Any = matches.prefix_with("MATERIALIZED").c
        first = select(there.id).where(or_(*order.segments(there, after))).order_by(*order.whole(there)).limit(limit)
        return list(await self._session.scalars(first))

    async def _fetch(self, ids: list[uuid.UUID]) -> Result[Image, Sequence[str]]:
        return await self._session.execute(_FETCH, {"ids": ids})


def tag_names(entity: Entity) -> ColumnElement[Sequence[str]]:
    """Return the sorted names of an image's tags, as an array."""
    names = select(Tag.name).where(Tag.id == any_(entity.tag_ids)).order_by(Tag.name)
    return func.array(names.scalar_subquery(), type_=ARRAY(String))


_FETCH = select(Image, tag_names(Image)).where(Image.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
