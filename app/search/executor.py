"""Finds a page of images, in time that does not grow with what matches.

There are three ways to a page. The *walk* goes along the index of the order and takes what matches: quick when much
does. The *gathering* collects all matches by the index over the tags and sorts them: quick when little does; where it
can, it collects no more than lies within a stretch of the order, or has a name that fits. The *bitmaps* of common tags
name what matches in the order of creation. Left to itself PostgreSQL walks to the end of the table when it takes two
common tags that never meet for a common pair. So the choice is made here: gather what is known to be little; ask the
bitmaps for what they alone tell and the first rows will not; else walk a short way, which tells how much matches, and
go on by that.
"""

import math
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cached_property
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from app.authz.visibility import Sight
from app.db.asyncpg_queries import fetch, fetch_value
from app.db.base import utc_now
from app.db.database import SLOW_LANE
from app.db.sql_text import EVERY, Condition, Values, all_true
from app.search.bitmap_index.queries import count_by_bitmaps
from app.search.language import ast
from app.search.language.hints import Hint, make_hints, prefixed_terms
from app.search.planning.cost_model import MARGIN, CostInputs
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import Position, Segment, SortOrder
from app.search.planning.table_sample import Sample, take_sample
from app.search.planning.tag_resolution import list_visible_names, resolve_tags
from app.search.strategies.bitmap_scan import BitmapScan
from app.search.strategies.name_index_scan import NameIndexScan
from app.search.strategies.row import IMAGE_COLUMNS, ImageRow

# What matches so rarely is gathered at once.
GATHERED_AT_ONCE = 3_000
# What the first look at a query sees.
SHORT_WALK = 2_000
# Where the tags do not bound what is gathered, a walk so long is tried before: across the order in which the
# table lies, and along it.
LONGEST_WALK_ACROSS = 12_000
LONGEST_WALK = 64_000
# What no index finds is gathered from the whole table: nearly any walk is shorter.
LONGEST_WALK_UNINDEXED = 100_000
# Where gathering is long, a walk is tried that will probably be long enough.
_NARROW_MARGIN = 1.5
# Fewer matches than this tell little about how far the page is: then no step goes further than so many times the last.
# And where to gather may be long, as many images from all over the table are looked at: the newest may be of a kind.
_TELLING, _LEAP = 5, 8
SAMPLED_ABOVE = 10_000


class Prospect(NamedTuple):
    """After how many rows a page is `expected`, and how far it is `farthest` worth going to see."""

    expected: float
    farthest: float


# Goes for a page after a position, so many rows far; tells whether that is the page. None where it cannot be gone.
Way: TypeAlias = Callable[[SortOrder, Position | None, int, int], Awaitable[tuple[list[ImageRow], bool] | None]]


class SearchExecutor:
    """Runs one query. The session's statements are bounded in time; see `Database.searcher`."""

    def __init__(self, session: AsyncSession, plan: QueryPredicates, sight: Sight) -> None:
        self._session = session
        self._plan = plan
        self._sight = sight

    @classmethod
    async def prepare(cls, session: AsyncSession, query: ast.Node, sight: Sight) -> "SearchExecutor":
        """Look up what the query names. Raises QueryTooBroad."""
        return cls(
            session,
            QueryPredicates(query, await resolve_tags(session, query, sight), sight.viewer_id, utc_now()),
            sight,
        )

    def within(self, session: AsyncSession) -> "SearchExecutor":
        """Return the same search by another session."""
        return SearchExecutor(session, self._plan, self._sight)

    async def page(self, order: SortOrder, after: Position | None, limit: int) -> tuple[list[ImageRow], bool]:
        """Return up to `limit` matches after the position, and whether there are more. Raises QueryTimeout."""
        found = await self._find(order, after, limit + 1)
        return found[:limit], len(found) > limit

    async def list_hints(self, text: str) -> list[Hint]:
        """Return hints for the text of this query, which matches nothing. Raises QueryTimeout."""
        terms = prefixed_terms(text)
        known = {pattern for pattern, tags in self._plan.vocabulary.wildcards.items() if tags}
        if names := sorted(terms.keys() - self._plan.vocabulary.wildcards.keys()):
            known |= await list_visible_names(self._session, names, self._sight)
        unknown = [token for name, token in terms.items() if name not in known]
        return make_hints(text, unknown, self._sight.viewer_id)

    async def list_ids(self, owner: uuid.UUID | None, limit: int) -> list[uuid.UUID]:
        """Return the ids of up to `limit` matches, in no order; with an owner, of theirs only. Raises QueryTimeout."""
        values = Values()
        owned = EVERY if owner is None else f"uploaded_by = {values.bind(owner)}"
        condition = all_true([self.condition(values), owned])
        statement = f"SELECT id FROM images WHERE {condition} LIMIT {values.bind(limit)}"  # noqa: S608
        return [row[0] for row in await fetch(self._session, statement, values.listed)]

    def condition(self, values: Values) -> Condition:
        """Return what an image must fulfil to be in the result."""
        return all_true([self._plan.condition(values), self._sight.sql(values)])

    async def sample(self, images: int) -> Sample:
        """Tell how many match among about so many images from all over the table."""
        values = Values()
        return await take_sample(self._session, self.condition(values), values, images)

    async def count_by_bitmaps(self) -> int | None:
        """Return the number of matches, None where the bitmaps of the common tags do not tell it cheaply."""
        return await count_by_bitmaps(self._session, self._plan, self._sight)

    def private_condition(self, values: Values) -> Condition:
        """Return what a private image must fulfil to be in the result."""
        return all_true([self._plan.condition(values), self._sight.private(values)])

    @property
    def only_tag(self) -> int | None:
        """The id of the tag that is all that is asked for; None where something else is."""
        query = self._plan.query
        found = self._plan.vocabulary.of(query) if isinstance(query, ast.Tag) else ()
        return found[0].id if found else None

    @property
    def indexed(self) -> bool:
        """Whether an index finds the matches."""
        return self._plan.indexed

    @property
    def by_chance(self) -> float:
        """How many match if its tags have nothing to do with each other; infinite where there are none."""
        return self._plan.by_chance

    @property
    def unrestricted(self) -> bool:
        """Whether all that there is matches and may be seen."""
        return self._plan.query == ast.EVERYTHING and self._sight.sees_all

    @property
    def _named(self) -> NameIndexScan:
        return NameIndexScan(self._session, self._plan, self.condition)

    @cached_property
    def _mapped(self) -> BitmapScan:
        return BitmapScan(self._session, self._plan, self._sight, self.condition)

    async def _find(self, order: SortOrder, after: Position | None, limit: int) -> list[ImageRow]:
        if self._plan.at_most <= GATHERED_AT_ONCE or self._named.are_few(order, limit):
            return await self._gather(order, after, limit)
        if self._mapped.tell_all(order) and self._are_thin(limit):
            looked = await self._mapped.page(order, after, math.inf, limit)
            if looked is not None:
                return looked[0]
        return await self._look(order, after, limit)

    def _are_thin(self, limit: int) -> bool:
        """Tell whether the first look would probably find no page: it comes too early to tell anything else."""
        return SHORT_WALK * self._plan.by_chance < limit / 4 * self._plan.vocabulary.collection

    async def _look(self, order: SortOrder, after: Position | None, limit: int) -> list[ImageRow]:
        """Look at the first rows, or at some from all over the table; then go the shortest way by what that tells."""
        if self._plan.told_by_tags:
            expected = limit * self._plan.vocabulary.collection / self._plan.at_most
            return await self._search_far(order, after, limit, Prospect(expected, math.inf))
        if order.name != "created" and self.indexed:
            sample = await self.sample(SHORT_WALK)
            prospect = self._prospect(order, max(1, sample.images), limit, sample.matching)
            return await self._search_far(order, after, limit, prospect)
        found, done = await self._walk(order, after, SHORT_WALK, limit)
        if done:
            return found
        rest, here = limit - len(found), _onward(order, after, found)
        told_otherwise = self._plan.prefixed or self._mapped.tell_all(order)
        if len(found) < _TELLING and self._plan.at_most > SAMPLED_ABOVE and not told_otherwise:
            prospect = await self._look_further(order, rest, len(found))
        else:
            prospect = self._prospect(order, SHORT_WALK, rest, len(found))
        return found + await self._search_far(order, here, rest, prospect)

    async def _look_further(self, order: SortOrder, limit: int, found: int) -> Prospect:
        """Return how far a page is after a first look that found next to nothing: the newest may be of a kind.

        Where there would be a page within a leap if matches lay evenly, all of the leap is worth going.
        """
        sample = await self.sample(SHORT_WALK)
        prospect = self._prospect(order, SHORT_WALK + sample.images, limit, found + sample.matching)
        leap = _LEAP * SHORT_WALK
        return Prospect(leap / MARGIN, leap) if prospect.expected <= leap / MARGIN else prospect

    async def _search_far(
        self, order: SortOrder, after: Position | None, limit: int, prospect: Prospect
    ) -> list[ImageRow]:
        """Go the shortest way to a page that is so far away; what may be long waits for its turn.

        What is not full yet tells better how far it is, and goes on from its last match: as far again where most of it
        was found; else at least 2.5 times as far, and never further than to gather everything costs.
        """
        async with AsyncExitStack() as stack:
            if self._plan.unbounded:
                # Without a connection.
                await self._session.rollback()
                await stack.enter_async_context(self._session.info[SLOW_LANE])
            found: list[ImageRow] = []
            rest, gone = limit, 0
            while (step := self._next_step(order, prospect.expected, rest)) and step[1] > gone:
                way, reach = step[0], int(min(step[1], prospect.farthest))
                went = await way(order, _onward(order, after, found), reach, rest)
                if went is None:
                    continue
                more, done = went
                found += more
                if done:
                    return found
                rest -= len(more)
                gone = 0 if len(more) > rest else reach
                prospect = self._prospect(order, reach, rest, len(more))
            return found + await self._gather(order, _onward(order, after, found), rest)

    def _next_step(self, order: SortOrder, expected: float, limit: int) -> tuple[Way, int] | None:
        """Return how to look for the page, and how far; None where to gather all matches is the shortest way."""
        plan = self._plan
        outlook = CostInputs(
            images=plan.vocabulary.collection,
            at_most=plan.at_most,
            expected=expected,
            limit=limit,
            in_order=order.name == "created",
            # Where the tags tell the number, nothing that was met tells it better.
            exact=plan.exact and not plan.told_by_tags,
            # How many images there are is known with the tags.
            prefixed=plan.prefixed and not math.isinf(plan.at_most),
        )
        ways: list[tuple[float, Way, int]] = [(outlook.gather_near(), self._gather_near, outlook.reach)]
        if (reach := self._longest_walk(outlook)) > 0:
            ways.append((outlook.walk(), self._walk, max(SHORT_WALK, reach)))
        if self._mapped.serve(order) and not math.isinf(expected):
            ways.append((self._mapped.cost(expected, limit), self._mapped.page, outlook.reach))
        cost, way, reach = min(ways, key=itemgetter(0))
        return (way, reach) if cost < outlook.gather() else None

    def _longest_walk(self, outlook: CostInputs) -> int:
        """Return how far to walk for the page: 0 where gathering is the shorter way."""
        if self._plan.exact:
            return outlook.longest_walk
        expected = outlook.expected
        if math.isinf(expected):
            return 0
        if not self.indexed:
            return round(min(LONGEST_WALK_UNINDEXED, MARGIN * expected))
        longest, margin = (LONGEST_WALK, _NARROW_MARGIN) if outlook.in_order else (LONGEST_WALK_ACROSS, MARGIN)
        if outlook.prefixed:
            longest, margin = min(longest, outlook.longest_walk), MARGIN
        return round(min(longest, MARGIN * expected)) if margin * expected <= longest else 0

    def _prospect(self, order: SortOrder, looked_at: int, limit: int, found: int) -> Prospect:
        """Return after how many rows a page is full, if it goes on as it did.

        Where nothing was found, it is taken for half a match; but of filters that hardly anything passes, an index may
        know how little that is: then it is gathered.
        """
        farthest = math.inf if found >= _TELLING else _LEAP * looked_at
        if not found and self.indexed and not self._plan.exact and not self._mapped.serve(order):
            return Prospect(math.inf, farthest)
        return Prospect(looked_at * limit / max(found, 0.5), farthest)

    async def _walk(
        self, order: SortOrder, after: Position | None, bound: int, limit: int
    ) -> tuple[list[ImageRow], bool]:
        """Return what matches on the way, and whether that is the page: it is full, or there is nothing further."""
        found: list[ImageRow] = []
        for segment in order.segments(after):
            found += await self._walk_segment(order, segment, bound, limit - len(found))
            if len(found) == limit:
                return found, True
            if not await self._ends_within(order, segment, bound):
                return found, False
        return found, True

    async def _walk_segment(self, order: SortOrder, segment: Segment, bound: int, limit: int) -> list[ImageRow]:
        values = Values()
        statement = f"""
            SELECT {IMAGE_COLUMNS} FROM (
                SELECT * FROM images WHERE {self._stretch(order, segment, values)}
                ORDER BY {order.walk()} LIMIT {values.bind(bound)}
            ) AS images
            WHERE {self.condition(values)} ORDER BY {order.walk()} LIMIT {values.bind(limit)}"""  # noqa: S608
        return await self._images(statement, values)

    async def _ends_within(self, order: SortOrder, segment: Segment, bound: int) -> bool:
        """Tell whether a walk so long has seen all of the segment."""
        values = Values()
        stretch = self._stretch(order, segment, values)
        if stretch == EVERY and bound == SHORT_WALK and not self._plan.unbounded:
            # Of a collection so small, what comes next costs no more than the question.
            return False
        rows = f"SELECT FROM images WHERE {stretch} LIMIT {values.bind(bound + 1)}"
        counted = await fetch_value(self._session, f"SELECT count(*) FROM ({rows}) AS rows", values.listed)  # noqa: S608
        return int(counted) <= bound

    def _stretch(self, order: SortOrder, segment: Segment, values: Values) -> Condition:
        """Return what the index that the order is walked along can tell: the segment, and filters by its columns."""
        narrowing = frozenset({"date", "uploader"} if order.name == "created" else {order.name})
        return all_true([segment(values), self._plan.leading(values, narrowing)])

    async def _gather(self, order: SortOrder, after: Position | None, limit: int) -> list[ImageRow]:
        found, done = await self._named.page(order, after, limit)
        if done:
            return found
        values = Values()
        matches = f"SELECT * FROM images WHERE {self.condition(values)}"  # noqa: S608
        return await self._first_of(matches, order.later(after, values), order, limit, values)

    async def _gather_near(
        self, order: SortOrder, after: Position | None, bound: int, limit: int
    ) -> tuple[list[ImageRow], bool]:
        """Gather what matches among the next rows of the order, and tell whether that is the page, as a walk does.

        Which rows these are, and which of them have the tags, two indexes tell: only what is in both is looked at.
        """
        found: list[ImageRow] = []
        for segment in order.segments(after):
            values = Values()
            last = await self._position(order, segment, bound)
            stretch = [
                self._stretch(order, segment, values),
                EVERY if last is None else order.up_to(last, after, values),
            ]
            matches = f"SELECT * FROM images WHERE {all_true([self.condition(values), *stretch])}"  # noqa: S608
            found += await self._first_of(matches, EVERY, order, limit - len(found), values)
            if len(found) == limit or last is not None:
                return found, len(found) == limit
        return found, True

    async def _position(self, order: SortOrder, segment: Segment, number: int) -> Position | None:
        """Return the position of so manyeth row of a segment, None where there are fewer."""
        values = Values()
        statement = f"""
            SELECT {order.columns} FROM images WHERE {self._stretch(order, segment, values)}
            ORDER BY {order.walk()} OFFSET {values.bind(number - 1)} LIMIT 1"""  # noqa: S608
        rows = await fetch(self._session, statement, values.listed)
        return tuple(rows[0]) if rows else None

    async def _first_of(
        self, matches: str, condition: Condition, order: SortOrder, limit: int, values: Values
    ) -> list[ImageRow]:
        # OFFSET 0 keeps the planner from walking after all; unlike a materialised CTE it keeps no copy of the matches.
        statement = f"""
            SELECT {IMAGE_COLUMNS} FROM images WHERE id = ANY(ARRAY(
                SELECT id FROM ({matches} OFFSET 0) AS matches
                WHERE {condition} ORDER BY {order.whole(values)} LIMIT {values.bind(limit)}
            )) ORDER BY {order.whole(values)}"""  # noqa: S608
        return await self._images(statement, values)

    async def _images(self, statement: str, values: Values) -> list[ImageRow]:
        return [ImageRow._make(row) for row in await fetch(self._session, statement, values.listed)]


def _onward(order: SortOrder, after: Position | None, found: list[ImageRow]) -> Position | None:
    """Return the position after what was found."""
    return order.position(found[-1]) if found else after
