"""A data directory that must be without processes when its test is over."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devstack.processes import processes_of

LOG = logging.getLogger(__name__)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Under a directory that only its owner may enter, as `mktemp -d` makes it."""
    parent = Path(tempfile.mkdtemp())
    yield parent / "data dir"
    leftovers = processes_of(parent)
    for log in sorted(parent.rglob("*.log")):
        LOG.info("%s\n%s", log, log.read_text(errors="replace")[-2000:])  # shown when the test has failed
    shutil.rmtree(parent)
    assert leftovers == []
