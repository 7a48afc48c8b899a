"""The Grafana dashboard asks for nothing that `/metrics` does not have."""

import json
import re
from typing import Any

import httpx

from tests.support.paths import ROOT

DASHBOARD = ROOT / "docs" / "grafana" / "dashboard.json"
NAME = re.compile(r"\bimts_[a-z_]+\b")


def _expressions(dashboard: dict[str, Any]) -> list[str]:
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return expressions + [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]


async def test_every_metric_of_the_dashboard_exists(client: httpx.AsyncClient) -> None:
    await client.get("/v1/tags")
    text = (await client.get("/metrics")).text
    # A family whose value is not known yet has a type and no sample.
    there = {re.split(r"[{ ]", line.removeprefix("# TYPE "))[0] for line in text.splitlines() if "# HELP" not in line}
    dashboard = json.loads(DASHBOARD.read_text())
    wanted = {name for one in _expressions(dashboard) for name in NAME.findall(one)}
    assert len(wanted) > 10
    assert wanted <= there
    labels = set(re.findall(r'(\w+)="', text))
    groups = {name for one in _expressions(dashboard) for name in re.findall(r"by \(([^)]*)\)", one)}
    assert {one.strip() for group in groups for one in group.split(",")} <= labels


def test_a_reader_can_choose_the_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    sources = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    sources |= {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert sources == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
