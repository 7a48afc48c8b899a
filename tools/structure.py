"""Checks of the structure of `app/`: names, sizes, places of SQL, imports, docstrings, its description, and commits.

`python -m tools.structure` runs all of them; `--commit-message FILE` checks a message as the `commit-msg` hook.
"""

import argparse
import ast
import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "app"
# Names that say which role a module has in its feature.
ROLES = {"__init__", "__main__", "router", "service", "repository", "schemas", "dependencies", "errors"}
MAX_MODULES = 12
MAX_SUBJECT = 72
SUBJECT = re.compile(r"[a-z][a-z0-9_, -]*: \S|(?:Merge|Revert|fixup!|squash!) ")
# A repository can be used without an HTTP server and without a cache.
BARRED_FROM_REPOSITORIES = ("fastapi", "starlette", "redis")
# SQL as text stands where a reader looks for it.
SQL_PLACES = re.compile(r"repository\.py$|app/db/|app/models/|/(?:strategies|bitmap_index|planning)/")

# The tables with the columns step, file and function follow a request through the code.
WALKS = ROOT / "docs" / "explanation" / "architecture.md"
WALK_ROW = re.compile(r"^\| [^|]+ \| (`[^|]+`) \| (`[^|]+`) \|$", re.MULTILINE)


def shared_names() -> Iterator[str]:
    """Yield the modules that share a base name with another, other than the role names."""
    by_name = defaultdict(list)
    for path in modules():
        if path.stem not in ROLES:
            by_name[path.stem].append(relative(path))
    yield from (f"one base name: {', '.join(paths)}" for paths in by_name.values() if len(paths) > 1)


def crowded_packages() -> Iterator[str]:
    """Yield the packages with more than twelve modules at one level."""
    for folder in sorted({path.parent for path in modules()}):
        count = sum(path.stem != "__init__" for path in folder.glob("*.py"))
        if count > MAX_MODULES:
            yield f"{relative(folder)}: {count} modules; the limit is {MAX_MODULES}"


def scattered_sql() -> Iterator[str]:
    """Yield the modules that build SQL text outside of repositories, strategies and `db`."""
    for path in modules():
        name = relative(path)
        if "S608" in path.read_text() and not SQL_PLACES.search(name):
            yield f"{name}: SQL text belongs to a repository"


def undocumented_modules() -> Iterator[str]:
    """Yield the modules without a docstring; an empty package needs none."""
    for path in modules():
        text = path.read_text()
        if text.strip() and ast.get_docstring(ast.parse(text)) is None:
            yield f"{relative(path)}: no docstring says what the module is responsible for"


@cache
def import_graph() -> grimp.ImportGraph:
    """Return the imports of the service and of the libraries it uses, without those for type checkers."""
    return grimp.build_graph("app", include_external_packages=True, exclude_type_checking_imports=True)


def coupled_repositories() -> Iterator[str]:
    """Yield the repositories whose direct or indirect imports reach HTTP or Redis."""
    graph = import_graph()
    for module in sorted(name for name in graph.modules if name.startswith("app.") and name.endswith("repository")):
        for library in BARRED_FROM_REPOSITORIES:
            if library in graph.modules and (chain := graph.find_shortest_chain(module, library)):
                yield f"{module}: a repository reaches {library} via {' -> '.join(chain)}"


def import_cycles() -> Iterator[str]:
    """Yield a cycle of imports between modules, if there is one."""
    graph = import_graph()
    try:
        TopologicalSorter({one: graph.find_modules_directly_imported_by(one) for one in graph.modules}).prepare()
    except CycleError as error:
        yield f"import cycle: {' -> '.join(error.args[1])}"


def development_imports() -> Iterator[str]:
    """Yield the modules that import a package that only a development installation has."""
    installed = {canonical(name) for name in json.loads((ROOT / "Pipfile.lock").read_text())["default"]}
    distributions = packages_distributions()
    graph = import_graph()
    for package in sorted(graph.modules - graph.find_descendants("app") - {"app"}):
        providers = {canonical(name) for name in distributions.get(package, ())}
        if providers and not providers & installed:
            modules = ", ".join(sorted(graph.find_modules_that_directly_import(package)))
            yield f"{package} is not among the [packages] of the Pipfile via {modules}"


def canonical(name: str) -> str:
    """Return the normalized name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def stale_walks() -> Iterator[str]:
    """Yield the files and functions of the walks in the architecture document that do not exist."""
    for row in WALK_ROW.finditer(WALKS.read_text()):
        files = re.findall(r"`([^`]+)`", row[1])
        # A second file has no folder if it is in the same one.
        paths = [ROOT / name if "/" in name else (ROOT / files[0]).with_name(name) for name in files]
        yield from (f"{relative(WALKS)}: {relative(path)} does not exist" for path in paths if not path.is_file())
        source = "".join(path.read_text() for path in paths if path.is_file())
        for name in re.findall(r"\w+", row[2]):
            if not re.search(rf"(?:class|def) {name}\b", source):
                yield f"{relative(WALKS)}: {', '.join(files)} does not define {name}"


def missing_blame_file() -> Iterator[str]:
    """Yield a finding if `git blame` cannot skip the commits that only move or rename code."""
    if not (ROOT / ".git-blame-ignore-revs").exists():
        yield ".git-blame-ignore-revs is missing"


def long_subjects() -> Iterator[str]:
    """Yield the commits of the last hundred whose subject is too long; none outside of a checkout."""
    command = ["git", "log", "-100", "--no-merges", "--format=%s"]
    log = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    yield from (f"commit subject over {MAX_SUBJECT} characters: {line}" for line in log.splitlines() if is_long(line))


def is_long(subject: str) -> bool:
    """Return whether a commit subject exceeds the limit."""
    return len(subject) > MAX_SUBJECT


def subject_error(subject: str) -> str | None:
    """Return what a commit subject violates."""
    if is_long(subject):
        return f"The subject has {len(subject)} characters; the limit is {MAX_SUBJECT}."
    if not SUBJECT.match(subject):
        return f"{subject!r} does not have the form `<area>: <imperative>`, as in `search: sort by size`."
    return None


def modules() -> list[Path]:
    """Return the modules of the service."""
    return sorted(APP.rglob("*.py"))


def relative(path: Path) -> str:
    """Return a path relative to the repository."""
    return str(path.relative_to(ROOT))


CHECKS = (
    shared_names,
    crowded_packages,
    scattered_sql,
    undocumented_modules,
    coupled_repositories,
    import_cycles,
    development_imports,
    stale_walks,
    missing_blame_file,
    long_subjects,
)


def main() -> int:
    """Run the checks and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit-message", type=Path, help="check the subject of this message only")
    options = parser.parse_args()
    if options.commit_message:
        subject = options.commit_message.read_text().partition("\n")[0]
        if error := subject_error(subject):
            print(error)
        return int(error is not None)
    findings = [finding for check in CHECKS for finding in check()]
    print(*findings, sep="\n", end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
