"""A data directory that must be without processes when its test is over."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.processes import processes_of


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Under a directory that only its owner may enter, as `mktemp -d` makes it."""
    parent = Path(tempfile.mkdtemp())
    yield parent / "data dir"
    leftovers = processes_of(parent)
    for log in sorted(parent.rglob("*.log")):
        # Shown when the test has failed.
        print(log, log.read_text(errors="replace")[-2000:], sep="\n")
    shutil.rmtree(parent)
    assert leftovers == []
