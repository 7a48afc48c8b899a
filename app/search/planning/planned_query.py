"""A query with its order, and the estimate of how far away the rest of the page is."""

import math
from dataclasses import dataclass
from functools import cached_property

from app.db.sql_text import BindParameters, Condition, sql_and
from app.search.planning.bitmap_coverage import BitmapCoverage
from app.search.planning.cost_model import CostInputs
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import ConditionBuilder, SortOrder


@dataclass(frozen=True, slots=True)
class PageEstimate:
    """The estimate for the rest of the page: `limit` matches are missing.

    The planner creates estimates and replaces them after each step.
    """

    limit: int
    # After how many rows of the order the page is full; None before anything is known, infinite if hardly any match.
    expected_rows: float | None = None
    # How far the next step may go at most, because the estimate rests on few matches.
    max_rows: float = math.inf
    # Rows that the last step searched without filling most of the page; the next one has to go further.
    searched_rows: int = 0
    is_first: bool = True
    # Whether the probe found too little, so that a sample of the table is needed.
    is_sample_due: bool = False
    # Matches that the probe found.
    probe_matches: int = 0
    # The strategies that could not run: the bitmaps are out of date, or too many names fit.
    unavailable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PlannedQuery:
    """A query and the order of its results: the input of the planner and of each strategy."""

    predicates: QueryPredicates
    order: SortOrder

    @property
    def is_creation_order(self) -> bool:
        """Whether the order is that of creation, in which the table lies."""
        return self.order.name == "created"

    @cached_property
    def bitmaps(self) -> BitmapCoverage:
        """The part of the query that bitmaps answer."""
        return BitmapCoverage(self.predicates)

    def cost_inputs(self, estimate: PageEstimate) -> CostInputs:
        """Return the inputs of the cost model."""
        predicates = self.predicates
        return CostInputs(
            images=predicates.tags.total_images,
            max_matches=predicates.max_matches,
            expected_rows=math.inf if estimate.expected_rows is None else estimate.expected_rows,
            limit=estimate.limit,
            # The images of one camera lie apart.
            is_creation_order=self.is_creation_order and not predicates.has_one_camera,
            # If the tags give the number of matches, the estimate adds nothing to it.
            is_exact=predicates.is_index_exact and not predicates.is_counted_by_tags,
            # The number of images is known only with the tags.
            has_name_prefix=predicates.has_name_prefix and not math.isinf(predicates.max_matches),
        )

    def range_condition(self, index_range: ConditionBuilder, values: BindParameters) -> Condition:
        """Return a range of the order's index, narrowed by the filters on columns of that index."""
        return sql_and([index_range(values), self.predicates.index_condition(values, self._index_filters)])

    @cached_property
    def _index_filters(self) -> frozenset[str]:
        """The filters on columns of an index in the order."""
        if not self.is_creation_order:
            return frozenset({self.order.name})
        # One index has the uploader, another the camera. PostgreSQL would check the second filter row by row.
        is_by_camera = self.predicates.has_one_camera and not self.predicates.requires("uploader")
        return frozenset({"date", "camera" if is_by_camera else "uploader"})
