"""Takes the package index out of Pipfile.lock: every machine installs from the index that its own pip is set up for."""

import json
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "Pipfile.lock"


def main() -> None:
    """Empty the list of sources and drop each package's mention of one."""
    lock = json.loads(LOCK.read_text())
    lock["_meta"]["sources"] = []
    for section in ("default", "develop"):
        for package in lock[section].values():
            package.pop("index", None)
    LOCK.write_text(json.dumps(lock, indent=4, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
