"""The options and the marks of all tests, and the servers of a run.

`tests/support/server_fixtures.py` has the fixtures. One set of servers serves the whole run
(`--backend=embedded|docker|env`).
"""

import gc
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings as hypothesis_settings

from tests.support.backends import ADDRESSES, POOLER, docker_backends, embedded_backends, environment_backends
from tests.support.examples import FULL_PROFILE, SHORT_PROFILE, UNIT_PROFILE
from tests.support.pgbouncer import running_pgbouncer

# The objects of the imports and of the collection live as long as the process. Scanning them again and again takes a
# tenth of the time.
gc.disable()

# The tests use no TLS. Reading the certificates takes a client longer than a hundred requests.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

# `tests/cache/conftest.py` imports the fixtures before `pytest_configure` if its tests are named on the command line.
pytest.register_assert_rewrite("tests.support.server_fixtures")

RESOURCES = pytest.StashKey[ExitStack]()
FOLDER_MARKS = {"journeys": "journey", "faults": "fault"}
# `page` belongs to a browser, and `decoders` to the processes that decode images.
SERVER_FIXTURES = frozenset({"backends", "mongod", "page", "decoders"})
# Their tests start servers and processes of their own, or send requests.
SERVER_FOLDERS = frozenset({"cache", "cli", "clients", "devstack", "ops", "project", "serving", "uploads"})
# `-m unit` does not import the modules that begin with this mark.
INTEGRATION_MODULE = re.compile(r"^pytestmark = pytest\.mark\.integration$", re.MULTILINE)
# The tests that take longest, some of them 20 s, are in these.
LONG_FOLDERS = SERVER_FOLDERS | FOLDER_MARKS.keys() | {"kinds", "media", "project", "telemetry"}
BACKENDS = {"embedded": embedded_backends, "docker": docker_backends, "env": environment_backends}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=sorted(BACKENDS), default="embedded", help="where the servers come from")
    parser.addoption("--pgbouncer", action="store_true", help="put PgBouncer in front of PostgreSQL")
    parser.addoption("--faults", choices=("short", "full"), default="short", help="how long the fault tests take")


# Connections of PgBouncer to each database in a run with --pgbouncer: less than the pools of a service have.
POOLER_CONNECTIONS = 20


def pytest_configure(config: pytest.Config) -> None:
    # The process that controls parallel workers runs no test. Importing the fixtures takes it two seconds.
    if hasattr(config, "workerinput") or config.option.dist == "no":
        config.pluginmanager.import_plugin("tests.support.server_fixtures")
    profile = SHORT_PROFILE if config.option.faults == "short" else FULL_PROFILE
    hypothesis_settings.load_profile(UNIT_PROFILE if config.option.markexpr == "unit" else profile)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders and modules without unit tests out of `-m unit`, since importing them takes seconds."""
    if config.option.markexpr != "unit":
        return None
    name = collection_path.name
    is_left_out = name in SERVER_FOLDERS | FOLDER_MARKS.keys() or (
        name.startswith("test_") and name.endswith(".py") and INTEGRATION_MODULE.search(collection_path.read_text())
    )
    return bool(is_left_out) or None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark each test by what it needs; leave the slow ones to `make test-faults`."""
    for item in items:
        item.add_marker(_kind_of(item))
        if config.option.faults == "short" and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: make test-faults"))
    yield
    _start_long_tests_first(items)


def pytest_collection_finish() -> None:
    gc.freeze()
    # As in the service. By default, a collection runs every 700 objects, which is several times in a request.
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _start_long_tests_first(items: list[pytest.Item]) -> None:
    """Move the long tests to the start of the range of each worker, so that no worker ends with one alone.

    The ranges are those with which `--dist worksteal` begins.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if _folder(item) in LONG_FOLDERS]
    others = [item for item in items if _folder(item) not in LONG_FOLDERS]
    shares = [_share(group, worker, workers) for worker in range(workers) for group in (long, others)]
    items[:] = [item for share in shares for item in share]


def _share(items: list[pytest.Item], worker: int, workers: int) -> list[pytest.Item]:
    return items[len(items) * worker // workers : len(items) * (worker + 1) // workers]


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def _kind_of(item: pytest.Item) -> str:
    """Return the mark of a test: that of its folder, `integration` with a server or the mark itself, else `unit`."""
    folder = _folder(item)
    needs_servers = (
        folder in SERVER_FOLDERS
        or not SERVER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or item.get_closest_marker("integration") is not None
    )
    return FOLDER_MARKS.get(folder, "integration" if needs_servers else "unit")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers once, in the process that controls the run."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.markexpr == "unit":
        return
    config.stash[RESOURCES] = stack = ExitStack()
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="imts-tests-", ignore_cleanup_errors=True)))
    config.stash[ADDRESSES] = addresses = stack.enter_context(BACKENDS[config.option.backend](directory))
    if config.option.pgbouncer:
        addresses[POOLER] = stack.enter_context(running_pgbouncer(addresses["DATABASE_URL"], POOLER_CONNECTIONS))


def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - xdist has no types
    node.workerinput["addresses"] = node.config.stash.get(ADDRESSES, None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RESOURCES in config.stash:
        config.stash[RESOURCES].close()
