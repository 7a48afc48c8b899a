"""Generates the committed documents from the code, and the clients from them. Without `--write`, shows differences."""

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI

from app.core.settings import Settings
from app.http.problem_pages import problem_types
from app.main import create_app
from tools import clients

DOCS = Path(__file__).resolve().parents[1] / "docs"
PROBLEMS = """# Problems

Every error is an `application/problem+json` document (RFC 9457). Its `type` is `/problems/<type>` with a type of this
table, and the service describes the problem at that path. `detail` is a sentence about the error. Some problems have
further members for programs. `make openapi` generates this page from `app/`.

| status | type | title | description |
|---|---|---|---|
"""


def application() -> FastAPI:
    """Return the application, without a connection to a backend."""
    return create_app(
        Settings(
            _env_file=None,
            app_env="development",
            log_level="WARNING",
            database_url="postgresql://openapi@127.0.0.1/openapi",
            jwt_secret="openapi" * 8,
        )
    )


def generated() -> dict[str, str]:
    """Return the documents by their file names in `docs`."""
    openapi = json.dumps(application().openapi(), indent=2, ensure_ascii=False) + "\n"
    return {"openapi.json": openapi, "problems.md": PROBLEMS + "".join(problems())}


def problems() -> Iterator[str]:
    """Yield a table row for each problem type, in order of the status."""
    for kind in problem_types():
        yield f"| {kind.status} | `{kind.slug}` | {kind.title} | {kind.description} |\n"


def differ() -> bool:
    """Return whether a committed document differs, and print the differences."""
    lines: list[str] = []
    for name, content in generated().items():
        committed = (DOCS / name).read_text() if (DOCS / name).exists() else ""
        lines += difflib.unified_diff(committed.splitlines(), content.splitlines(), f"docs/{name}", "generated")
    print("\n".join(lines[:60]), end="\n" if lines else "")
    if lines:
        print("the documents are out of date: run `make openapi`")
    return bool(lines)


if __name__ == "__main__":
    if "--write" in sys.argv:
        for name, content in generated().items():
            (DOCS / name).write_text(content)
        clients.write()
    else:
        sys.exit(differ())
