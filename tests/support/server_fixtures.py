"""The fixtures of all tests.

Each parallel worker has its own migrated database, bucket and Mongo database, and a real service on a real socket. The
tables are emptied before each test that uses `service`.
"""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from app.core import passwords
from app.core.settings import Settings
from app.db.database import Database
from app.db.schema.schema_upgrade import upgrade
from app.models import Image
from app.storage.object_store import ObjectStore
from tests.support.accounts import Account, add_account
from tests.support.backends import ADDRESSES, POOLER, with_database
from tests.support.heic import register_heic
from tests.support.pgbouncer import through_pooler
from tests.support.photos import png
from tests.support.server import RunningService, running_service

register_heic()

# The cost of password hashes in this process, of 3 ms instead of 0.4 s. The hashes of `make_account` have another one:
# signing in renews them.
PASSWORD_COST = 5
FULL_PASSWORD_COST = passwords.BCRYPT_COST
UNLIMITED = dict.fromkeys(("account", "address", "total"), "1000000/second")
# Tables before those that they refer to. The workers of a service coordinate through the one row of cache_state.
TABLES = [table.name for table in reversed(Image.metadata.sorted_tables) if table.name != "cache_state"]
HAS_ROWS = " UNION ALL ".join(f"(SELECT {place}, '{name}' FROM {name} LIMIT 1)" for place, name in enumerate(TABLES))  # noqa: S608
# Rows that were deleted and statistics of earlier rows would change the plans of the next test.
NEEDS_TRUNCATE = """
    SELECT count(*) > 0 FROM pg_class
    WHERE oid = ANY ($1::regclass[]) AND (reltuples > 0 OR pg_relation_size(oid) > 1 << 20)
"""
RESTART_SEQUENCES = """
    SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
"""


@pytest.fixture(scope="session")
def backends(request: pytest.FixtureRequest) -> dict[str, str]:
    """The addresses of the servers, under their settings' names."""
    worker = getattr(request.config, "workerinput", None)
    addresses: dict[str, str] | None = worker["addresses"] if worker else request.config.stash.get(ADDRESSES, None)
    if addresses is None:
        pytest.fail("a unit test has no servers: mark it `integration`")
    return addresses


@pytest.fixture(scope="session")
def make_settings(backends: dict[str, str]) -> Callable[..., Settings]:
    """Make settings on the run's servers; keyword arguments override single ones."""

    def make(**overrides: object) -> Settings:
        values: dict[str, object] = {name.lower(): value for name, value in backends.items() if name != POOLER}
        values |= {"app_env": "development", "jwt_secret": "t" * 48, "_env_file": None}
        # The whole run comes from one address: only the tests of rate limits set limits.
        values |= dict.fromkeys(tuple(name for name in Settings.model_fields if name.endswith("_limits")), UNLIMITED)
        values |= overrides
        if POOLER in backends:
            values |= through_pooler(_text(values["database_url"]), backends["DATABASE_URL"], backends[POOLER])
        return Settings(**values)  # type: ignore[arg-type]

    return make


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.fixture(scope="session")
async def fresh_database_url(backends: dict[str, str]) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Make empty databases, which are dropped at the end of the run."""
    made: list[str] = []
    root = backends["DATABASE_URL"]

    async def make() -> str:
        name = f"imts_{uuid.uuid4().hex}"
        connection = await asyncpg.connect(root)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()
        made.append(name)
        return with_database(root, name)

    yield make
    connection = await asyncpg.connect(root)
    for name in made:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture
def mongo_url(backends: dict[str, str]) -> str:
    """The address of a Mongo database of the test's own."""
    return with_database(backends["MONGO_URL"], f"imts_{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def redis_url(backends: dict[str, str], worker_id: str) -> str:
    """The address of this worker's own numbered database."""
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw")) + 1
    return with_database(backends["REDIS_URL"], str(number))


@pytest.fixture(scope="session")
async def _redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def settings(
    backends: dict[str, str],
    make_settings: Callable[..., Settings],
    fresh_database_url: Callable[[], Awaitable[str]],
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """The settings of this worker's service: everything in it belongs to this worker alone."""
    own = uuid.uuid4().hex
    settings = make_settings(
        database_url=await fresh_database_url(),
        mongo_url=with_database(backends["MONGO_URL"], f"imts_{own}"),
        redis_url=redis_url,
        storage_bucket=f"imts-{own}",
        # The background tasks run as long as the tests do: at a twentieth of a second, they take 3 % of a processor.
        telemetry_flush_seconds=0.5,
        # Tests compact the counts and update the bitmaps explicitly.
        tag_count_compaction_interval_seconds=30,
        bitmap_index_update_interval_seconds=3600,
        telemetry_spill_dir=tmp_path_factory.mktemp("wal"),
    )
    await asyncio.to_thread(upgrade, settings.sqlalchemy_direct_url)
    return settings


@pytest.fixture(scope="session")
async def running(settings: Settings) -> AsyncIterator[RunningService]:
    """This worker's service, on a real socket."""
    async with running_service(settings) as service:
        yield service


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The worker's database, beside the service's own pool."""
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def object_store(settings: Settings) -> AsyncIterator[ObjectStore]:
    """The worker's bucket."""
    store = ObjectStore(settings)
    await store.ensure_bucket()
    yield store
    await store.close()


@pytest.fixture
async def empty_bucket(object_store: ObjectStore) -> ObjectStore:
    """The worker's bucket, emptied of the objects that earlier tests and killed services left."""
    await object_store.remove([one.key async for one in object_store.list_objects()])
    for upload in await object_store.list_uploads():
        await object_store.abort(upload.key, upload.upload_id)
    return object_store


@pytest.fixture(scope="session")
async def _sql(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.direct_database_url)
    yield connection
    await connection.close()


async def empty_tables(connection: asyncpg.Connection) -> None:
    """Empty all tables, with retries, since the service's background tasks lock them too."""
    for _ in range(10):
        with contextlib.suppress(asyncpg.DeadlockDetectedError):
            async with connection.transaction():
                await _empty_tables(connection)
            return
    raise AssertionError("deadlocked again and again")


async def _empty_tables(connection: asyncpg.Connection) -> None:
    """Delete the few rows of most tests, which takes 2 ms of processor time; TRUNCATE of all tables takes 25 ms."""
    if await connection.fetchval(NEEDS_TRUNCATE, TABLES):
        await connection.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")
        return
    # As TRUNCATE does, this waits for the transactions that earlier tests left.
    await connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE")
    # Triggers insert deltas for the deleted rows.
    while with_rows := sorted(await connection.fetch(HAS_ROWS)):
        for _, name in with_rows:
            # The trail of administrative actions refuses DELETE.
            await connection.execute(f"TRUNCATE {name}" if name == "audit_events" else f"DELETE FROM {name}")  # noqa: S608
    await connection.execute(RESTART_SEQUENCES)


@pytest.fixture
async def sql(_sql: asyncpg.Connection, _redis: Redis) -> asyncpg.Connection:
    """A plain connection to the worker's database, emptied. Its writes do not invalidate the cache."""
    await empty_tables(_sql)
    await _redis.flushdb()
    return _sql


@pytest.fixture
async def service(running: RunningService, sql: asyncpg.Connection) -> RunningService:  # noqa: ARG001 - it empties
    """The worker's service with empty tables."""
    return running


@pytest.fixture
async def client(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials."""
    async with httpx.AsyncClient(base_url=service.url) as client:
        yield client


@pytest.fixture
async def make_account(
    service: RunningService, settings: Settings, database: Database
) -> AsyncIterator[Callable[..., Awaitable[Account]]]:
    """Make accounts with a client that is signed in; without the half second that hashing costs."""
    made: list[Account] = []

    async def make(email: str | None = None, *, is_admin: bool = False) -> Account:
        email = email or f"{uuid.uuid4().hex}@example.com"
        made.append(await add_account(service.url, settings, database, email, is_admin=is_admin))
        return made[-1]

    yield make
    for account in made:
        await account.client.aclose()


@pytest.fixture
async def user(make_account: Callable[..., Awaitable[Account]]) -> Account:
    """An account."""
    return await make_account()


@pytest.fixture
async def admin(make_account: Callable[..., Awaitable[Account]]) -> Account:
    """An admin's account."""
    return await make_account(is_admin=True)


@pytest.fixture
def photo() -> bytes:
    """A small PNG."""
    return png()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "BCRYPT_COST", PASSWORD_COST)
        yield


@pytest.fixture
def full_password_cost(monkeypatch: pytest.MonkeyPatch) -> int:
    """Hash passwords at the real cost in services that start from now on; return the cost."""
    monkeypatch.setattr(passwords, "BCRYPT_COST", FULL_PASSWORD_COST)
    return FULL_PASSWORD_COST


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Keep the developer's own settings out of the tests."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: os.environ.pop(name) for name in names & set(os.environ)}
    yield
    os.environ.update(kept)
