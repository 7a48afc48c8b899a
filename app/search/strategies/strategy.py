"""The interface of a search strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.db.asyncpg_queries import Reader
from app.search.planning.cost_model import CostModel
from app.search.planning.planned_query import PlannedQuery
from app.search.planning.planner import Candidate
from app.search.planning.sort_order import SortKey
from app.search.strategies.row import ImageRow


@dataclass(frozen=True, slots=True)
class PartialPage:
    """The matches of one step, in their order.

    `is_complete` means that the page is full or that no matches follow. `is_available` is False if the strategy could
    not run after all; then there are no rows.
    """

    rows: Sequence[ImageRow]
    is_complete: bool
    is_available: bool = True


UNAVAILABLE = PartialPage((), is_complete=False, is_available=False)


class Strategy(Candidate, Protocol):
    """One way to find the matches of a query in the order of the results. Stateless."""

    def __init__(self, costs: CostModel) -> None: ...

    async def fetch(
        self, session: Reader, query: PlannedQuery, after: SortKey | None, max_rows: int, limit: int
    ) -> PartialPage:
        """Return up to `limit` matches after the key, among the next `max_rows` rows of the order.

        Raises QueryTimeout through the block of the session.
        """
