"""The choice of a strategy, as a table. No server is needed."""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from math import inf

import pytest
from pydantic import ValidationError

from app.authz.visibility import VisibilityScope
from app.core.settings import Settings
from app.models.bitmap import IMAGES_OF_TYPE
from app.search.executor import STRATEGIES, SearchEngine
from app.search.language import ast
from app.search.language.filters import TYPES
from app.search.language.parser import parse
from app.search.planning import cost_model
from app.search.planning.cost_model import CostInputs, CostModel
from app.search.planning.planned_query import PageEstimate, PlannedQuery
from app.search.planning.planner import Planner, Step
from app.search.planning.predicates import QueryPredicates
from app.search.planning.sort_order import SortOrder
from app.search.planning.table_sample import Sample
from app.search.planning.tag_resolution import ResolvedTag, ResolvedTags
from app.search.strategies.strategy import Strategy
from tests.search.collection import NOW
from tests.support.paths import ROOT

IMAGES = 1_000_000
# A page of 40 images, and one more to see whether another page follows.
LIMIT = 41
# Public images of each tag.
COUNTS = {"rare": 800, "seldom": 4_000, "uncommon": 8_000, "common": 60_000, "frequent": 80_000, "usual": 300_000}
BASIC = ("ordered_scan", "fetch_and_sort")
ENGINE, BASIC_ENGINE = SearchEngine(), SearchEngine(BASIC)
NEWEST = "-created"
PAGE = ROOT / "docs" / "explanation" / "how-a-search-runs.md"
MODULE_CONSTANTS = ("COMMON_TAG_IMAGES", "MAX_RARE_IMAGES", "MAX_ALTERNATIVES", "UPDATE_BATCH")


def plan(text: str, sort: str = NEWEST) -> PlannedQuery:
    query = parse(text)
    tags = {
        leaf.name: ResolvedTag(list(COUNTS).index(leaf.name) + 1, COUNTS[leaf.name], IMAGES)
        for leaf in ast.leaves(query)
        if isinstance(leaf, ast.Tag)
    }
    return PlannedQuery(QueryPredicates(query, ResolvedTags(tags, {}), VisibilityScope(), NOW), SortOrder(sort))


def choose(planner: Planner[Strategy], query: PlannedQuery, matches: Sequence[int]) -> Step[Strategy]:
    """Return the next step after these numbers of matches: of a probe, of a sample, or of a probe and a sample."""
    estimate = planner.estimate(query, LIMIT)
    for number in matches:
        if planner.needs_sample(query, estimate):
            estimate = planner.add_sample(query, estimate, Sample(number, 2_000, 0.002))
        else:
            step = planner.choose(query, estimate)
            assert step.is_probe
            estimate = planner.add_step(query, estimate, step, number)
    assert not planner.needs_sample(query, estimate)
    return planner.choose(query, estimate)


@pytest.mark.parametrize(
    ("text", "sort", "matches", "strategy", "reason"),
    [
        # The tags bound the matches: they are fetched at once.
        ("rare", NEWEST, (), "fetch_and_sort", "few matches"),
        ("rare usual type:png", "name", (), "fetch_and_sort", "few matches"),
        ("rare name:img_*", NEWEST, (), "fetch_and_sort", "few matches"),
        ("sha256:" + "0" * 64, NEWEST, (), "fetch_and_sort", "few matches"),
        # The tags give the number of matches, so no probe is needed.
        ("usual", NEWEST, (), "ordered_scan", "cheapest"),
        ("usual", "name", (), "ordered_scan", "cheapest"),
        ("uncommon", NEWEST, (), "bitmap_scan", "cheapest"),
        ("seldom", "name", (), "range_fetch", "cheapest"),
        # Bitmaps answer the whole query, and a probe would hardly find a match.
        ("common frequent", NEWEST, (), "bitmap_scan", "bitmaps answer the whole query"),
        # Otherwise a probe comes first, and the strategy depends on its matches.
        ("*", NEWEST, (), "ordered_scan", "probe"),
        ("usual frequent", NEWEST, (), "ordered_scan", "probe"),
        ("usual frequent", NEWEST, (30,), "ordered_scan", "cheapest"),
        ("usual frequent", NEWEST, (2,), "bitmap_scan", "cheapest"),
        ("common -usual", NEWEST, (0,), "bitmap_scan", "cheapest"),
        ("common -frequent", NEWEST, (), "ordered_scan", "probe"),
        ("2-of:(common frequent usual)", NEWEST, (30,), "ordered_scan", "cheapest"),
        # After a probe with few matches a sample of the table decides.
        ("common width:>1000", NEWEST, (10,), "ordered_scan", "cheapest"),
        ("common width:>1000", NEWEST, (0, 20), "ordered_scan", "cheapest"),
        ("common width:>1000", NEWEST, (0, 1), "range_fetch", "cheapest"),
        ("common width:>1000", NEWEST, (0, 0), "fetch_and_sort", "no other strategy is cheaper"),
        # In the other orders a sample replaces the probe, if an index finds the matches.
        ("usual frequent", "name", (400,), "ordered_scan", "cheapest"),
        ("usual width:>1000", "size", (0,), "fetch_and_sort", "no other strategy is cheaper"),
        ("width:>1000", "size", (), "ordered_scan", "probe"),
        ("date:2026", "-size", (10,), "ordered_scan", "cheapest"),
        # A period whose images are not among the newest.
        ("taken:2024", NEWEST, (0,), "taken_index_scan", "cheapest"),
        ("taken:2024", NEWEST, (30,), "ordered_scan", "cheapest"),
        ("usual taken:2024", NEWEST, (0,), "taken_index_scan", "cheapest"),
        ("seldom taken:2024", NEWEST, (0,), "fetch_and_sort", "no other strategy is cheaper"),
        ("taken:2024,2026", NEWEST, (0, 0), "fetch_and_sort", "no other strategy is cheaper"),
        ("taken:2024", "name", (0,), "fetch_and_sort", "no other strategy is cheaper"),
        # One camera, whose images an index lists; of a pattern, the number of images is unknown.
        ('uncommon camera:"Canon EOS R5"', NEWEST, (), "fetch_and_sort", "few matches with this camera"),
        ('frequent camera:"Canon EOS R5"', NEWEST, (), "ordered_scan", "probe"),
        ("camera:*EOS*", NEWEST, (10,), "ordered_scan", "cheapest"),
        ("camera:*EOS*", NEWEST, (1, 1), "fetch_and_sort", "no other strategy is cheaper"),
        # Names that fit a glob without selective trigrams.
        ("name:img_*.jpg", NEWEST, (0,), "name_index_scan", "no other strategy is cheaper"),
        ("name:*x*", NEWEST, (0, 0), "name_index_scan", "no other strategy is cheaper"),
        ("usual name:i*.jpg", NEWEST, (), "name_index_scan", "few names fill the page"),
        ("frequent name:*7.jpg", "name", (0,), "name_index_scan", "no other strategy is cheaper"),
    ],
)
def test_the_planner_chooses(text: str, sort: str, matches: Sequence[int], strategy: str, reason: str) -> None:
    step = choose(ENGINE.planner, plan(text, sort), matches)
    assert (step.strategy.name, step.reason) == (strategy, reason)


@pytest.mark.parametrize(
    ("text", "sort", "matches", "strategy"),
    [
        ("rare", NEWEST, (), "fetch_and_sort"),
        ("uncommon", NEWEST, (), "ordered_scan"),
        ("seldom", "name", (), "fetch_and_sort"),
        ("common frequent", NEWEST, (), "ordered_scan"),
        ("common frequent", NEWEST, (0, 0), "fetch_and_sort"),
        ("name:img_*.jpg", NEWEST, (0,), "fetch_and_sort"),
    ],
)
def test_two_strategies_are_enough(text: str, sort: str, matches: Sequence[int], strategy: str) -> None:
    assert choose(BASIC_ENGINE.planner, plan(text, sort), matches).strategy.name == strategy


def test_a_strategy_that_could_not_run_is_not_chosen_again() -> None:
    planner = ENGINE.planner
    for text, failed, other in (
        ("common frequent", "bitmap_scan", "ordered_scan"),
        ("usual name:i*.jpg", "name_index_scan", "fetch_and_sort"),
    ):
        query = plan(text)
        estimate = planner.estimate(query, LIMIT)
        assert planner.choose(query, estimate).strategy.name == failed
        estimate = replace(estimate, unavailable=frozenset({failed}))
        assert planner.choose(query, estimate).strategy.name == other


def test_a_search_goes_further_with_each_step_or_fetches_all_matches() -> None:
    planner, query = ENGINE.planner, plan("usual width:>1000")
    estimate = planner.add_step(query, planner.estimate(query, LIMIT), planner.choose(query, PageEstimate(LIMIT)), 5)
    reached = []
    while (step := planner.choose(query, estimate)).strategy.name == "ordered_scan":
        reached.append(step.max_rows)
        estimate = planner.add_step(query, estimate, step, 0)
    assert reached == sorted(set(reached))
    assert reached
    assert step.strategy.name == "fetch_and_sort"


def test_an_estimate_from_few_matches_limits_the_next_step() -> None:
    planner, query = ENGINE.planner, plan("usual frequent type:gif")
    probe = planner.choose(query, planner.estimate(query, LIMIT))
    limits = [planner.add_step(query, PageEstimate(LIMIT), probe, matches).max_rows for matches in (4, 5)]
    assert limits == [8 * probe.max_rows, inf]


def test_costs_grow_with_their_inputs() -> None:
    costs = CostModel()
    few = CostInputs(IMAGES, 10_000, 5_000, LIMIT, is_creation_order=True, is_exact=False, has_name_prefix=False)
    far, many = replace(few, expected_rows=50_000), replace(few, max_matches=50_000)
    other = replace(few, is_creation_order=False)
    assert costs.ordered_scan(few) < costs.ordered_scan(other)
    assert costs.ordered_scan(few) < costs.ordered_scan(far)
    assert costs.fetch_and_sort(few) < costs.fetch_and_sort(many)
    assert costs.range_fetch(few) < costs.range_fetch(far) < costs.fetch_and_sort(few)
    assert costs.range_fetch(replace(few, max_matches=70_000)) == inf
    assert costs.bitmap_scan(IMAGES, 2, 41) < costs.bitmap_scan(IMAGES, 3, 41) < costs.bitmap_scan(IMAGES, 3, 400)


def test_the_settings_enable_all_strategies_and_require_the_basic_ones() -> None:
    names = [strategy.name for strategy in STRATEGIES]
    assert Settings(_env_file=None, app_env="development").search_strategies == names
    some = Settings(_env_file=None, app_env="development", search_strategies="ordered_scan, fetch_and_sort")
    assert tuple(some.search_strategies) == BASIC
    for refused in ("ordered_scan", "fetch_and_sort,bitmap_scan", "ordered_scan,fetch_and_sort,magic"):
        with pytest.raises(ValidationError):
            Settings(_env_file=None, app_env="development", search_strategies=refused)


def test_the_page_on_searches_quotes_each_constant() -> None:
    constants = {field.name: field.default for field in fields(CostModel)}
    constants |= {name: value for name, value in vars(cost_model).items() if name in MODULE_CONSTANTS}
    quoted = re.findall(r"`(\w+)` \| ([\d.,]+) \|", PAGE.read_text())
    assert {name: float(value.replace(",", "")) for name, value in quoted} == constants


def test_each_type_of_the_language_has_a_bitmap() -> None:
    assert set(TYPES) == set(IMAGES_OF_TYPE)
