"""A release changes the version in one place, the changelog and the contract, and makes a commit with a tag."""

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from tools import release
from tools.compatibility import accepted_changes, last_release

CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Added\n- A thing.\n\n## 1.0.0 - 2026-11-28\n\nThe first version.\n"
DOCUMENT = {"openapi": "3.1.0", "info": {"version": "1.0.0"}, "paths": {}, "components": {}}
TODAY = date(2026, 12, 24)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with the files that a release changes."""
    (tmp_path / "app").mkdir()
    (tmp_path / "docs" / "releases").mkdir(parents=True)
    (tmp_path / "app" / "__init__.py").write_text('"""The service."""\n\nVERSION = "1.0.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "docs" / "openapi.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "docs" / "releases" / "openapi-1.0.0.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "docs" / "releases" / "accepted.txt").write_text("# A comment.\nGET /v1/old: removed\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)  # noqa: S607
    for name, value in (("user.name", "Test"), ("user.email", "test@example.com"), ("commit.gpgsign", "false")):
        release.git(tmp_path, "config", name, value)
    release.git(tmp_path, "add", "--all")
    release.git(tmp_path, "commit", "--quiet", "--message", "all: begin")
    return tmp_path


def test_a_release_is_a_commit_with_a_tag(project: Path) -> None:
    release.require_clean(project, "1.1.0")
    release.prepare(project, "1.1.0", TODAY)
    release.commit(project, "1.1.0")
    assert release.git(project, "log", "-1", "--format=%s", "v1.1.0").strip() == "release: 1.1.0"
    assert release.git(project, "status", "--porcelain") == ""
    assert release.read_version(project) == "1.1.0"


def test_the_changelog_keeps_an_empty_section_above_the_release(project: Path) -> None:
    release.prepare(project, "1.1.0", TODAY)
    text = (project / "CHANGELOG.md").read_text()
    assert "## Unreleased\n\n## 1.1.0 - 2026-12-24\n\n### Added\n- A thing.\n" in text
    assert list(release.changelog_errors(text, "1.1.0")) == []


def test_the_contract_of_the_release_replaces_the_last_one(project: Path) -> None:
    release.prepare(project, "1.10.0", TODAY)
    releases = project / "docs" / "releases"
    assert [path.name for path in releases.glob("*.json")] == ["openapi-1.10.0.json"]
    assert json.loads(last_release(releases).read_text())["info"]["version"] == "1.10.0"
    assert accepted_changes(releases) == set()


@pytest.mark.parametrize(
    ("version", "reason"), [("1.0.0", "not above"), ("0.9.9", "not above"), ("1.1", "not a version"), ("v2", "not a")]
)
def test_a_version_that_is_not_newer_is_refused(project: Path, version: str, reason: str) -> None:
    with pytest.raises(release.ReleaseError, match=reason):
        release.prepare(project, version, TODAY)
    assert release.git(project, "status", "--porcelain") == ""


def test_a_release_without_changes_is_refused(project: Path) -> None:
    (project / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n- A thing.\n", ""))
    with pytest.raises(release.ReleaseError, match="nothing is unreleased"):
        release.prepare(project, "1.1.0", TODAY)


def test_uncommitted_changes_and_an_existing_tag_are_refused(project: Path) -> None:
    release.git(project, "tag", "v1.1.0")
    with pytest.raises(release.ReleaseError, match="exists"):
        release.require_clean(project, "1.1.0")
    (project / "new").touch()
    with pytest.raises(release.ReleaseError, match="uncommitted"):
        release.require_clean(project, "1.2.0")


def test_a_failure_restores_the_files(project: Path) -> None:
    # The project has no generator of documents.
    with pytest.raises(subprocess.CalledProcessError):
        release.release(project, "1.1.0")
    assert release.git(project, "status", "--porcelain") == ""
    assert release.read_version(project) == "1.0.0"


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("## Unreleased", "## Next", "the first heading"),
        ("## 1.0.0 - 2026-11-28", "## 1.0.0", "is not '## X.Y.Z"),
        ("### Added", "### New", "the section 'New'"),
        ("## 1.0.0 -", "## 1.2.0 -", "is not the version of the code"),
        ("The first version.", "\n## 1.0.1 - 2026-11-27\n", "1.0.1 is below 1.0.0"),
    ],
)
def test_a_deviation_of_the_changelog_is_found(old: str, new: str, finding: str) -> None:
    assert list(release.changelog_errors(CHANGELOG, "1.0.0")) == []
    found = list(release.changelog_errors(CHANGELOG.replace(old, new), "1.0.0"))
    assert finding in " ".join(found)
