"""Serves a page of search results, with the number of matches and with hints for an empty page."""

import uuid
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal, TypeAlias

from app.authz.visibility import VisibilityScope
from app.core.callers import current_caller
from app.core.concurrency import background_task
from app.core.errors import QueryTimeout
from app.core.fair_queue import FairQueue
from app.core.pagination import CursorSigner
from app.db.database import Database, has_idle_connection
from app.search.count import MatchCount, count_cheaply, count_exactly, estimate_count
from app.search.executor import SearchEngine, SearchExecutor
from app.search.hint_finder import HintFinder
from app.search.language import ast
from app.search.language.ast import format_query
from app.search.language.hints import Hint
from app.search.planning.sort_order import SortKey, SortOrder
from app.search.strategies.row import ImageRow

# An exact count that takes longer than this share of the time limit is replaced by an estimate.
COUNT_SHARE = 0.5
# Hints that take longer than this share of the time limit are left out.
HINT_SHARE = 0.2

CountMode: TypeAlias = Literal["exact", "estimate", "none"]
# "cheap" leaves the number out where it takes long: by name, camera and most filters of a large collection.
PageCountMode: TypeAlias = CountMode | Literal["cheap"]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for up to `limit` matches after a key. `text` is the query as the client wrote it."""

    text: str
    query: ast.Node
    visibility: VisibilityScope
    order: SortOrder
    after: SortKey | None
    limit: int
    count: PageCountMode


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The matches of a page, and whether more follow. `count` is None without a request, and if it is not cheap."""

    images: list[ImageRow]
    has_more: bool
    count: MatchCount | None
    hints: list[Hint]


class SearchCursors:
    """The cursors of a search. They are valid for its caller, its sort order and its query, in any spelling.

    `query` is the canonical form, which takes a walk through the tree.
    """

    def __init__(self, signer: CursorSigner, caller: uuid.UUID | None, query: ast.Node, sort: str) -> None:
        self.query, self.order = format_query(query), SortOrder(sort)
        self._signer, self._fingerprint = signer, f"images {caller} {sort} {self.query}"

    def decode(self, cursor: str | None) -> SortKey | None:
        """Return the sort key before the page; None for the first page. Raises InvalidCursor."""
        return None if cursor is None else self.order.decode_key(self._signer.decode(cursor, self._fingerprint))

    def encode(self, page: SearchPage) -> str | None:
        """Return the cursor of the page after this one, or None."""
        if not page.has_more:
            return None
        return self._signer.encode(self.order.encode_key(page.images[-1]), self._fingerprint)


class SearchService:
    """Runs searches: each client has a few slots of the queue."""

    def __init__(self, database: Database, engine: SearchEngine, queue: FairQueue, timeout_seconds: float) -> None:
        self._database = database
        self._engine = engine
        self._queue = queue
        self._timeout_seconds = timeout_seconds
        self._hints = HintFinder(database, HINT_SHARE * timeout_seconds)

    async def fetch_page(self, page: PageRequest) -> SearchPage:
        """Return a page. Raises QueryTooBroad, QueryTimeout, TooManyRequests.

        The count runs beside the page if the pool has another idle connection, and after it otherwise.
        """
        async with self._queue.enter(current_caller.get()), AsyncExitStack() as stack:
            async with self._database.search_reader() as session:
                search = await self._engine.prepare(session, page.query, page.visibility)
                counting: Awaitable[MatchCount | None] | None = None
                if page.count != "none" and has_idle_connection(session):
                    counting = await stack.enter_async_context(background_task(self._count(search, page.count)))
                images, has_more = await search.fetch_page(page.order, page.after, page.limit)
            hints = await self._hints.find(search, page.text) if not images and page.after is None else []
            count = await (counting or self._count(search, page.count))
        return SearchPage(images, has_more, count, hints)

    async def _count(self, search: SearchExecutor, mode: PageCountMode) -> MatchCount | None:
        """Return the number of matches, in a session of its own."""
        if mode == "none":
            return None
        if mode == "exact":
            try:
                async with self._database.search_reader(COUNT_SHARE * self._timeout_seconds) as session:
                    return MatchCount(await count_exactly(session, search), "exact")
            except QueryTimeout:
                pass
        async with self._database.search_reader() as session:
            if mode == "cheap":
                return await count_cheaply(session, search)
            return MatchCount(await estimate_count(session, search), "estimate")
