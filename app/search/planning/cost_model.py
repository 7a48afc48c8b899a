"""Every cost and threshold by which a search strategy is chosen.

Costs are microseconds of PostgreSQL, measured at 1,000,000 images that it has in memory.
"""

import math
from dataclasses import dataclass

from app.models.bitmap import CHUNK

# Tags of at least this many public images have bitmaps, and keep them down to half of it. Fewer are counted quickly.
COMMON_TAG_IMAGES = 5_000
# Images with rare tags of the query that a bitmap scan looks up besides those of the bitmaps.
MAX_RARE_IMAGES = 1_000
# "n of k tags" is spelled out as alternatives up to this number, so that an index answers it.
MAX_ALTERNATIVES = 20
# Images that one transaction of the bitmap index updater takes from the queue.
UPDATE_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class CostInputs:
    """The estimates for a query: of `images`, at most `max_matches` match; a page needs `expected_rows` of the order.

    `is_exact` means that the index over the tags finds exactly the matches, `has_name_prefix` that all matches have
    names with one prefix.
    """

    images: float
    max_matches: float
    expected_rows: float
    limit: int
    is_creation_order: bool
    is_exact: bool
    has_name_prefix: bool


@dataclass(frozen=True, slots=True)
class CostModel:
    """The constants, as fields so that a test can replace them, and the cost of each strategy."""

    # A row that an ordered scan reads. The table lies in the order of creation, so the next row is a neighbour.
    scan_row_in_creation_order: float = 0.3
    scan_row_in_other_order: float = 2.3
    # A row that is looked up because an index lists it, and an entry of the index over the tags.
    lookup: float = 1.6
    index_entry: float = 0.1
    # A name in the index of the names, and the share of the names that a prefix is assumed to leave.
    name_entry: float = 0.1
    prefix_share: float = 0.1
    # A row of a range, whose index is read twice, and the additional statement.
    range_row: float = 0.08
    statement: float = 300
    # A row of `tag_bitmaps`, and a candidate that is looked up by its ordinal and then by its id.
    bitmap_row: float = 3
    bitmap_lookup: float = 5

    # Up to this many matches are fetched at once, without a probe.
    fetch_at_once: float = 3_000
    # Rows of the first look at a query, by an ordered scan or a sample.
    probe_rows: int = 2_000
    # Where the tags do not bound the fetch, the longest ordered scan that is tried before it.
    longest_scan_in_creation_order: int = 64_000
    longest_scan_in_other_order: int = 12_000
    # In the order of creation for a query with a camera, because an index lists the images of a rare one.
    longest_scan_with_camera: int = 20_000
    # A query without an index is fetched from the whole table: nearly any scan is shorter.
    longest_scan_unindexed: int = 100_000
    # Estimates come from few matches, so a scan goes further than expected by this factor before it is given up.
    safety_factor: float = 2.5
    # Where a fetch is long, a scan is tried that is only probably long enough.
    low_safety_factor: float = 1.5
    # With fewer matches than this in the last step, the next one is at most `max_growth` times as long.
    min_matches_to_extrapolate: int = 5
    max_growth: int = 8
    # With so few matches and more possible matches than this, a sample of the whole table is taken as well: the
    # newest images may be unrepresentative.
    sample_above: float = 10_000
    # With more entries than this, the index over the tags takes too long for a range.
    max_index_entries: float = 60_000

    # Images that a name index scan looks up at most, and a scan of an index over the times of photos.
    max_names: int = 4_000
    max_taken: int = 2_000
    # In the order of creation it is used if the tags fill the page after this many names. With both ends of the name
    # fixed, the more selective end is used, so the limit is higher.
    few_names: int = 1_000
    few_names_with_both_ends: int = 2_000
    # In the other orders it is used if the tags have more images than this: then reading all names is cheaper.
    fetch_before_names: float = 60_000

    # With more images than this in the queue of the bitmap index, bitmaps are not used: by a count, by a page.
    max_queued_for_count: int = 5_000
    max_queued_for_page: int = 1_000

    # An estimated count is exact up to this many matches, at 1 to 2 microseconds each.
    count_up_to: int = 3_000
    # Above, this many images are sampled, at 0.3 microseconds each. 25 matches among them give the number to a factor
    # of 1.5 either way; with fewer matches there are few.
    count_sample: int = 10_000
    min_sample_matches: int = 25

    # An explanation looks at each image of a collection up to this size, at 0.6 microseconds each. In a larger one, it
    # looks up this number of images at most.
    explain_rows: int = 50_000
    explain_lookups: int = 15_000

    # Facets look at each of up to this many matches, at 2 to 3 microseconds each.
    facet_matches: int = 10_000
    # Beside the bitmaps, they look up this many images at most, and read this many rows of `tag_bitmaps`.
    facet_lookups: int = 2_000
    facet_bitmap_rows: int = 12_000
    # An estimate of facets rests on this many images.
    facet_sample: int = 15_000

    def rows_to_search(self, inputs: CostInputs) -> int:
        """Return how many rows to search for the page."""
        if math.isinf(inputs.expected_rows):
            return 0
        return max(inputs.limit, math.ceil(self.safety_factor * inputs.expected_rows))

    def probe(self, *, is_creation_order: bool) -> float:
        """Return the cost of a probe."""
        row = self.scan_row_in_creation_order if is_creation_order else self.scan_row_in_other_order
        return row * self.probe_rows

    def ordered_scan(self, inputs: CostInputs) -> float:
        """Return the cost of reading along the index of the order until the page is full."""
        return self._scan_row(inputs) * inputs.expected_rows

    def longest_scan(self, inputs: CostInputs) -> int:
        """Return how many rows to scan at most: the scan costs no more than fetching all matches."""
        return min(self.rows_to_search(inputs), math.ceil(self.fetch_and_sort(inputs) / self._scan_row(inputs)))

    def fetch_and_sort(self, inputs: CostInputs) -> float:
        """Return the cost of fetching all matches."""
        cost = self.index_entry * inputs.max_matches + self.lookup * self._lookups(inputs)
        return min(cost, self.name_entry * self.prefix_share * inputs.images) if inputs.has_name_prefix else cost

    def range_fetch(self, inputs: CostInputs) -> float:
        """Return the cost of fetching the matches within the next `rows_to_search` rows."""
        if inputs.max_matches > self.max_index_entries or math.isinf(inputs.expected_rows):
            return math.inf
        rows = self.rows_to_search(inputs)
        lookups = min(1, rows / inputs.images) * self._lookups(inputs)
        entries = self.index_entry * inputs.max_matches
        return self.statement + self.range_row * rows + entries + self.lookup * lookups

    def bitmap_scan(self, images: float, tags: int, candidates: float) -> float:
        """Return the cost of reading the bitmaps of some tags and looking up the candidates."""
        return self.statement + self.bitmap_row * (1 + tags) * images / CHUNK + self.bitmap_lookup * candidates

    def _scan_row(self, inputs: CostInputs) -> float:
        return self.scan_row_in_creation_order if inputs.is_creation_order else self.scan_row_in_other_order

    def _lookups(self, inputs: CostInputs) -> float:
        """Return how many images the index over the tags lists."""
        if not inputs.is_exact:
            return inputs.max_matches
        return min(inputs.max_matches, inputs.images * inputs.limit / inputs.expected_rows)
