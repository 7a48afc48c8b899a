"""The committed documents that the code generates: `--write` renews them, without it differences are shown."""

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI

from app.core.errors import AppError
from app.core.settings import Settings
from app.main import create_app

DOCS = Path(__file__).resolve().parents[1] / "docs"
PROBLEMS = """# Problems

Every error is an `application/problem+json` document (RFC 9457); its `type` is `/problems/` and one of these names, its
`status` the one of the response. `detail` says what happened in the case at hand, further members what a client can act
on. Generated from `app/` by `make openapi`.

| status | type | in words |
|---|---|---|
"""


def application() -> FastAPI:
    """Return the service as the code has it; no backend is asked."""
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
    """Return the documents by their names in `docs`."""
    openapi = json.dumps(application().openapi(), indent=2, ensure_ascii=False) + "\n"
    return {"openapi.json": openapi, "problems.md": PROBLEMS + "".join(problems())}


def problems() -> Iterator[str]:
    """Yield a row for each type of problem that the loaded code knows, in order of the status."""
    found = {(kind.status, kind.slug, kind.title) for kind in _descendants(AppError)}
    for status, slug, title in sorted(found):
        yield f"| {status} | `{slug}` | {title} |\n"


def _descendants(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _descendants(child)


def differ() -> bool:
    """Tell whether a committed document differs, and show where."""
    lines: list[str] = []
    for name, content in generated().items():
        committed = (DOCS / name).read_text() if (DOCS / name).exists() else ""
        lines += difflib.unified_diff(committed.splitlines(), content.splitlines(), f"docs/{name}", "generated")
    print("\n".join(lines[:60]), end="\n" if lines else "")
    if lines:
        print("the documents are not what the code says: `make openapi` renews them")
    return bool(lines)


if __name__ == "__main__":
    if "--write" in sys.argv:
        for name, content in generated().items():
            (DOCS / name).write_text(content)
    else:
        sys.exit(differ())
