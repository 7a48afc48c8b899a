"""Serves facets, within the slot of the client."""

from app.authz.visibility import VisibilityScope
from app.core.callers import current_caller
from app.core.errors import QueryTimeout
from app.core.fair_queue import FairQueue
from app.db.database import Database
from app.search.executor import SearchEngine
from app.search.facets.facet_counts import Facets, count_facets_exactly, estimate_facets
from app.search.language import ast
from app.search.planning.facet_fields import FacetName
from app.search.service import COUNT_SHARE


class FacetService:
    """Counts the values of a field among the matches of a query."""

    def __init__(self, database: Database, engine: SearchEngine, queue: FairQueue, timeout_seconds: float) -> None:
        self._database = database
        self._engine = engine
        self._queue = queue
        self._timeout_seconds = timeout_seconds

    async def fetch_facets(self, query: ast.Node, visibility: VisibilityScope, name: FacetName, limit: int) -> Facets:
        """Return the most frequent values. Raises QueryTooBroad, QueryTimeout, TooManyRequests.

        An exact count that takes longer than its share of the time limit becomes an estimate.
        """
        async with self._queue.enter(current_caller.get()):
            async with self._database.search_reader() as session:
                search = await self._engine.prepare(session, query, visibility)
            try:
                async with self._database.search_reader(COUNT_SHARE * self._timeout_seconds) as session:
                    if facets := await count_facets_exactly(session, search, name, limit):
                        return facets
            except QueryTimeout:
                pass
            async with self._database.search_reader() as session:
                return await estimate_facets(session, search, name, limit)
