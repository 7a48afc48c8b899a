"""The Grafana dashboard and the alert rules ask for nothing that `/metrics` does not have."""

import json
import re
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped]

from tests.support.paths import ROOT

DASHBOARD = ROOT / "docs" / "grafana" / "dashboard.json"
ALERTS = ROOT / "docs" / "prometheus" / "alerts.yml"
OPERATE = ROOT / "docs" / "how-to" / "operate.md"
NAME = re.compile(r"\bimts_[a-z_]+\b")


def _expressions(dashboard: dict[str, Any]) -> list[str]:
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return expressions + [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]


def _names(text: str) -> set[str]:
    # A family whose value is not known yet has a type and no sample.
    lines = (line for line in text.splitlines() if "# HELP" not in line)
    return {re.split(r"[{ ]", line.removeprefix("# TYPE "))[0] for line in lines}


async def test_every_metric_of_the_alert_rules_exists(client: httpx.AsyncClient) -> None:
    await client.get("/v1/tags")
    text = (await client.get("/metrics")).text
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    wanted = {name for rule in rules for name in NAME.findall(rule["expr"])}
    assert len(wanted) > 10
    assert wanted <= _names(text)
    labels = {name for rule in rules for name in re.findall(r"(\w+)=", rule["expr"])}
    assert labels <= set(re.findall(r'(\w+)="', text))
    assert len({rule["alert"] for rule in rules}) == len(rules)
    listed = set(re.findall(r"`([A-Z]\w+)`", OPERATE.read_text().partition("## Alerts")[2].partition("\n## ")[0]))
    assert listed == {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


async def test_every_metric_of_the_dashboard_exists(client: httpx.AsyncClient) -> None:
    await client.get("/v1/tags")
    text = (await client.get("/metrics")).text
    there = _names(text)
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
