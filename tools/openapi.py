"""The committed OpenAPI document: `--write` renews it, without it a difference is shown."""

import difflib
import json
import sys
from pathlib import Path

from app.core.settings import Settings
from app.main import create_app

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def generated() -> str:
    """Return the document of the code as it is; no backend is asked."""
    settings = Settings(
        _env_file=None,
        app_env="development",
        log_level="WARNING",
        database_url="postgresql://openapi@127.0.0.1/openapi",
        jwt_secret="openapi" * 8,
    )
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


def differs() -> bool:
    """Tell whether the committed document differs, and show where."""
    committed = FILE.read_text() if FILE.exists() else ""
    lines = list(difflib.unified_diff(committed.splitlines(), generated().splitlines(), "committed", "generated"))
    print("\n".join(lines[:60]), end="\n" if lines else "")
    if lines:
        print("docs/openapi.json is not what the code says: `make openapi` renews it")
    return bool(lines)


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(generated())
    else:
        sys.exit(differs())
