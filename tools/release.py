"""`python -m tools.release VERSION`: makes the commit and the tag of a release. `--check` checks the changelog only.

It changes the version, the heading in the changelog and the generated documents, and keeps the contract of the API for
the comparison with the next release. Pushing the commit and the tag is left to the maintainer.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

from tools.compatibility import ACCEPTED, accepted_changes, contract

ROOT = Path(__file__).resolve().parents[1]
UNRELEASED = "## Unreleased"
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_ASSIGNMENT = re.compile(r'^VERSION = "(.*)"$', re.MULTILINE)
_HEADING = re.compile(r"^## .*$", re.MULTILINE)
_RELEASE = re.compile(r"## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}")
_ACCEPTED_HEADER = (
    "# The changes since the last release that `python -m tools.compatibility` reports and that are intended, one in\n"
    "# a line. A release empties this file. A line that is no longer reported must be removed.\n"
)


class ReleaseError(Exception):
    """A reason against the release. The message is one line."""


def read_version(root: Path) -> str:
    """Return the version of the code, from its only place."""
    match = _ASSIGNMENT.search((root / "app" / "__init__.py").read_text())
    if match is None:
        raise ReleaseError("app/__init__.py has no VERSION")
    return match[1]


def changelog_errors(text: str, version: str) -> Iterator[str]:
    """Yield the deviations of the changelog from the rules of CONTRIBUTING.md."""
    headings = _HEADING.findall(text)
    if not headings or headings[0] != UNRELEASED:
        yield f"the first heading of the changelog is not {UNRELEASED!r}"
    releases = [heading for heading in headings if heading != UNRELEASED]
    yield from (f"{heading!r} is not '## X.Y.Z - DATE'" for heading in releases if not _RELEASE.fullmatch(heading))
    versions = [match[1] for heading in releases if (match := _RELEASE.fullmatch(heading))]
    if versions[:1] != [version]:
        yield f"the newest release of the changelog is not the version of the code, {version}"
    yield from (f"{older} is below {newer}" for newer, older in pairwise(versions) if _parts(newer) <= _parts(older))
    sections = re.findall(r"^### (.*)$", text, re.MULTILINE)
    yield from (f"the section {section!r} is none of {', '.join(SECTIONS)}" for section in set(sections) - {*SECTIONS})


def prepare(root: Path, version: str, today: date) -> None:
    """Write the version, the heading of the changelog and the contract of the API. Raises ReleaseError.

    The OpenAPI document must be that of the release, apart from its version.
    """
    _check_version(version, read_version(root))
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    if errors := list(changelog_errors(text, read_version(root))):
        raise ReleaseError(f"CHANGELOG.md: {errors[0]}")
    if not _HEADING.split(text)[1].strip():
        raise ReleaseError("CHANGELOG.md: nothing is unreleased")
    releases = root / "docs" / "releases"
    if accepted_changes(releases) and _parts(version)[0] == _parts(read_version(root))[0]:
        print(f"note: {ACCEPTED} has breaking changes, and the major version stays the same")
    changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n\n## {version} - {today.isoformat()}", 1))
    code = root / "app" / "__init__.py"
    code.write_text(_ASSIGNMENT.sub(f'VERSION = "{version}"', code.read_text()))
    document = json.loads((root / "docs" / "openapi.json").read_text())
    document["info"]["version"] = version
    for path in releases.glob("openapi-*.json"):
        path.unlink()
    compact = json.dumps(contract(document), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    (releases / f"openapi-{version}.json").write_text(f"{compact}\n")
    (releases / ACCEPTED).write_text(_ACCEPTED_HEADER)


def _check_version(version: str, current: str) -> None:
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is not a version X.Y.Z")
    if _parts(version) <= _parts(current):
        raise ReleaseError(f"{version} is not above {current}")


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def require_clean(root: Path, version: str) -> None:
    """Raise ReleaseError if a file is uncommitted or the tag exists."""
    if git(root, "status", "--porcelain"):
        raise ReleaseError("there are uncommitted changes")
    if git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} exists")


def commit(root: Path, version: str) -> None:
    """Commit all changes and tag the commit."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", f"release: {version}")
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Version {version}")


def git(root: Path, *arguments: str) -> str:
    """Run git and return its output. Raises ReleaseError."""
    command = ["git", *arguments]
    finished = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise ReleaseError(f"git {arguments[0]}: {' '.join(finished.stderr.split())}")
    return finished.stdout


def release(root: Path, version: str) -> None:
    """Make the commit and the tag. Raises ReleaseError; then the files are as before."""
    require_clean(root, version)
    try:
        prepare(root, version, datetime.now(UTC).date())
        subprocess.run([sys.executable, "-m", "tools.generated", "--write"], cwd=root, check=True)
        commit(root, version)
    except BaseException:
        git(root, "reset", "--quiet", "--hard")
        git(root, "clean", "--quiet", "--force", "docs/releases")
        raise


def main() -> None:
    """Make the release, or exit with 1 and the reason."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("version", nargs="?", help="the new version, X.Y.Z")
    parser.add_argument("--check", action="store_true", help="check the changelog only")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            errors = list(changelog_errors((ROOT / "CHANGELOG.md").read_text(), read_version(ROOT)))
            sys.exit("\n".join(errors) or None)
        if arguments.version is None:
            parser.error("the version is missing")
        release(ROOT, arguments.version)
    except ReleaseError as error:
        sys.exit(f"not released: {error}")
    print(f"Committed and tagged v{arguments.version}. Next: git push --follow-tags")


if __name__ == "__main__":
    main()
