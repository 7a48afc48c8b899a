"""The fixtures of all tests: real servers, and the service on a real socket with a database of its own."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from hypothesis import settings as hypothesis_settings

from app.core.settings import Settings
from app.db.schema.schema_upgrade import upgrade
from devstack import Stack
from tests.support.examples import SHORT_PROFILE
from tests.support.server import RunningService, running_service

ADDRESSES = pytest.StashKey[dict[str, str]]()
RESOURCES = pytest.StashKey[ExitStack]()

hypothesis_settings.load_profile(SHORT_PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test: `integration` if it uses a server, else `unit`."""
    for item in items:
        needs_servers = {"backends", "data_dir"} & set(getattr(item, "fixturenames", ()))
        item.add_marker("integration" if needs_servers else "unit")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers once, in the process that controls the run."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly or config.option.markexpr == "unit":
        return
    config.stash[RESOURCES] = stack = ExitStack()
    directory = stack.enter_context(TemporaryDirectory(prefix="imts-tests-", ignore_cleanup_errors=True))
    servers = Stack(Path(directory) / "data", durable=False, report=lambda _line: None)
    stack.callback(servers.stop)
    config.stash[ADDRESSES] = servers.start()


def pytest_configure_node(node) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - xdist has no types
    node.workerinput["addresses"] = node.config.stash.get(ADDRESSES, None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RESOURCES in config.stash:
        config.stash[RESOURCES].close()


@pytest.fixture(scope="session")
def backends(request: pytest.FixtureRequest) -> dict[str, str]:
    """The addresses of the servers, under their settings' names."""
    worker = getattr(request.config, "workerinput", None)
    addresses: dict[str, str] = worker["addresses"] if worker else request.config.stash[ADDRESSES]
    return addresses


@pytest.fixture(scope="session")
async def settings(backends: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """The settings of this worker's service, with a database and a bucket of its own."""
    own = f"imts-{uuid.uuid4().hex}"
    root = await asyncpg.connect(backends["DATABASE_URL"])
    await root.execute(f'CREATE DATABASE "{own}"')
    values = {name.lower(): value for name, value in backends.items()}
    for name in ("database_url", "mongo_url"):
        values[name] = urlsplit(values[name])._replace(path=f"/{own}").geturl()
    values |= {"app_env": "development", "jwt_secret": "t" * 48, "storage_bucket": own}
    settings = Settings(
        _env_file=None,
        telemetry_flush_seconds=0.1,
        telemetry_spill_dir=tmp_path_factory.mktemp("wal"),
        **values,  # type: ignore[arg-type]
    )
    await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
    yield settings
    await root.execute(f'DROP DATABASE "{own}" WITH (FORCE)')
    await root.close()


@pytest.fixture(scope="session")
async def running(settings: Settings) -> AsyncIterator[RunningService]:
    """This worker's service, on a real socket."""
    async with running_service(settings) as service:
        yield service


@pytest.fixture
async def sql(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the worker's database, whose tables are empty."""
    connection = await asyncpg.connect(settings.direct_database_url)
    await connection.execute("TRUNCATE notes")
    yield connection
    await connection.close()


@pytest.fixture
async def client(running: RunningService, sql: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    """A client of the service, with empty tables."""
    async with httpx.AsyncClient(base_url=running.url) as client:
        yield client


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Keep the developer's own settings out of the tests."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: os.environ.pop(name) for name in names & set(os.environ)}
    yield
    os.environ.update(kept)
