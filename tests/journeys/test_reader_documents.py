"""F93: the documents for newcomers exist, their links lead somewhere, and their statements are true."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import VERSION
from app.core.settings import Settings
from app.search.language.filters import FILTER_NAMES
from tests.support.accounts import Account
from tests.support.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
REFERENCE = ROOT / "docs" / "reference" / "query-language.md"
EXAMPLE = re.compile(r"^\| `([^`]+)` \| ", re.MULTILINE)


def examples() -> Iterator[str]:
    tables = REFERENCE.read_text().partition("## Order and total")[0]
    for found in EXAMPLE.finditer(tables):
        yield found[1].replace("\\|", "|")


EXPECTED = ["LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "docs/how-to/deploy.md"]


@pytest.mark.parametrize("name", EXPECTED)
def test_f93_what_a_repository_has_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 500


def test_f93_the_latest_release_of_the_changelog_is_the_version() -> None:
    releases = re.findall(r"^## ([0-9.]+) - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == VERSION


def test_f93_the_workflow_runs_the_test_command_of_the_readme() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: make test\n" in workflow
    assert (ROOT / ".ci" / "run").read_text().endswith("make test\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_f93_links_between_documents_lead_to_files(document: Path) -> None:
    missing = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert missing == []


async def test_f93_every_query_of_the_reference_runs(user: Account) -> None:
    queries = list(examples())
    assert len(queries) > 20
    for query in queries:
        response = await user.client.get("/v1/images", params={"q": query})
        assert response.status_code == 200, (query, response.text)


def test_f93_the_reference_has_every_filter() -> None:
    text = REFERENCE.read_text()
    assert [name for name in FILTER_NAMES if f"`{name}:" not in text] == []


def test_f93_every_setting_has_an_entry_and_the_other_way_round() -> None:
    entries = set(re.findall(r"^([A-Z_]+)=", (ROOT / "docker-local.env").read_text(), re.MULTILINE))
    assert entries == {name.upper() for name in Settings.model_fields}


def test_f93_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    assert [one for one in set(re.findall(r"`?make ([a-z-]+)", text)) if f"\n{one}:" not in makefile] == []
    table = (ROOT / "docs" / "reference" / "commands.md").read_text()
    commands = set(re.findall(r"^\| `([a-z-]+)", table, re.MULTILINE))
    output = subprocess.run(
        [sys.executable, "-m", "app", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    existing = set(re.findall(r"^\W+([a-z][a-z-]+)  ", output.partition("Commands")[2], re.MULTILINE))
    assert commands == existing
