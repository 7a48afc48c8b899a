"""The search trace of a request: in its counters, and as a metric."""

from functools import partial

import asyncpg

from app.authz.visibility import VisibilityScope
from app.db.database import Database
from app.search.executor import STRATEGIES, SearchEngine
from app.search.language.parser import parse
from app.search.planning.cost_model import CostModel
from app.search.planning.sort_order import SortOrder
from app.telemetry.metrics.prometheus_exposition import Registry
from tests.search.collection import pictures, store
from tests.support.counters import tallied


async def test_each_step_of_a_search_is_in_the_trace(sql: asyncpg.Connection, database: Database) -> None:
    await store(sql, pictures(3, 120))
    engine = SearchEngine(costs=CostModel(fetch_at_once=0, probe_rows=5))
    with tallied() as counters:
        async with database.search_session() as session:
            search = await engine.prepare(session, parse("-cat width:1.."), VisibilityScope(sees_all=True))
            rows, has_more = await search.fetch_page(SortOrder("-created"), None, 20)
    first, *rest = counters.search_trace
    assert (first.strategy, first.reason, first.expected_rows, first.max_rows) == ("ordered_scan", "probe", None, 5)
    assert rest
    assert all(step.expected_rows is not None for step in rest)
    assert sum(step.returned_rows for step in counters.search_trace) == len(rows) + has_more
    assert all(step.milliseconds > 0 for step in counters.search_trace)
    assert sum(engine.steps.values()) == len(counters.search_trace)


def test_the_steps_of_all_strategies_are_one_metric() -> None:
    registry, engine = Registry(), SearchEngine()
    engine.steps["ordered_scan"] = 3
    for name in engine.steps:
        registry.counter(
            f'imts_search_steps_total{{strategy="{name}"}}', "Steps", partial(engine.steps.__getitem__, name)
        )
    lines = registry.render([], registry.snapshot()).splitlines()
    assert lines.count("# TYPE imts_search_steps_total counter") == 1
    assert 'imts_search_steps_total{strategy="ordered_scan"} 3.0' in lines
    assert sum(line.startswith("imts_search_steps_total{") for line in lines) == len(STRATEGIES)
