"""Migrations while the service runs: no request fails, and no request waits for an unavailable lock."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.core.settings import Settings
from app.db.schema.schema_upgrade import alembic_config
from tests.support.accounts import Account
from tests.support.photos import png

pytestmark = pytest.mark.integration

# An additive migration: the previous version of the code works on its schema.
ADDITIVE = """
import sqlalchemy as sa
from alembic import op

from app.db.schema.online_ddl import create_index, drop_index

revision = "additive"
down_revision = {head!r}
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("caption", sa.String()))
    op.execute("ALTER TABLE images ADD CONSTRAINT ck_caption CHECK (caption <> '') NOT VALID")
    create_index("ix_images_caption", "images", ["caption"])
    op.execute("ALTER TABLE images VALIDATE CONSTRAINT ck_caption")


def downgrade() -> None:
    drop_index("ix_images_caption", "images")
    op.drop_column("images", "caption")
"""


@pytest.fixture
def config(settings: Settings, tmp_path: Path) -> Config:
    """The configuration with one more migration."""
    config = alembic_config(settings.sqlalchemy_direct_url)
    head = ScriptDirectory.from_config(config).get_current_head()
    (tmp_path / "additive.py").write_text(ADDITIVE.format(head=head))
    versions = Path(ScriptDirectory.from_config(config).versions)
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{versions}:{tmp_path}")
    return config


@pytest.fixture
async def migrate(config: Config) -> AsyncIterator[Callable[[str], asyncio.Task[None]]]:
    """Return a function that starts to migrate to a revision in a thread. The teardown downgrades to the head."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None

    def start(revision: str) -> asyncio.Task[None]:
        go = command.upgrade if revision == "additive" else command.downgrade
        return asyncio.create_task(asyncio.to_thread(go, config, revision))

    yield start
    await start(head)


@asynccontextmanager
async def load(user: Account) -> AsyncIterator[Callable[[int], asyncio.Future[None]]]:
    """Read, search and upload in the background. Yields a function that waits for a number of further responses.

    No request may fail.
    """
    responses = 0
    path = (await user.client.post("/v1/images", files={"image": ("first.png", png())})).json()["links"]["self"]

    async def send(number: int) -> None:
        nonlocal responses
        for turn in itertools.count():
            tag = f"t{number}-{turn}"
            for method, where, body in (
                ("GET", path, {}),
                ("GET", "/v1/images?q=a", {}),
                ("POST", "/v1/images", {"files": {"image": (f"{tag}.png", png())}}),
                ("POST", f"{path}/tags", {"json": {"tags": [tag]}}),
                ("DELETE", f"{path}/tags/{tag}", {}),
            ):
                response = await user.client.request(method, where, timeout=60, **body)
                assert response.is_success, response.text
                responses += 1

    async def more(count: int) -> None:
        target = responses + count
        async with asyncio.timeout(60):
            while responses < target:
                assert not any(client.done() for client in clients), [client.exception() for client in clients]
                await asyncio.sleep(0.02)

    clients = [asyncio.create_task(send(number)) for number in range(4)]
    try:
        yield lambda count: asyncio.ensure_future(more(count))
    finally:
        for client in clients:
            client.cancel()
        for client in clients:
            with suppress(asyncio.CancelledError):
                await client


async def test_an_additive_migration_goes_up_and_down_under_load(
    user: Account, sql: asyncpg.Connection, migrate: Callable[[str], asyncio.Task[None]]
) -> None:
    head = str(ScriptDirectory.from_config(alembic_config()).get_current_head())
    async with load(user) as more:
        for _ in range(2):
            for revision in (head, "additive"):
                await migrate(revision)
                await more(20)
    assert await sql.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_images_caption'::regclass")
    assert await sql.fetchval("SELECT convalidated FROM pg_constraint WHERE conname = 'ck_caption'")


async def test_it_is_rolled_back_while_a_long_transaction_holds_the_table(
    user: Account, settings: Settings, sql: asyncpg.Connection, migrate: Callable[[str], asyncio.Task[None]]
) -> None:
    holder = await asyncpg.connect(settings.direct_database_url)
    try:
        async with load(user) as more:
            await holder.execute("BEGIN; SELECT 1 FROM images LIMIT 1")
            migrating = migrate("additive")
            waits = 0
            async with asyncio.timeout(60):
                while waits < 2:
                    await until_waiting(sql, is_waiting=True)
                    await until_waiting(sql, is_waiting=False)
                    waits += 1
            # The lock is still held and the migration still waits, but requests are served.
            await more(60)
            assert not migrating.done()
            await holder.execute("COMMIT")
            await migrating
            await more(20)
    finally:
        await holder.close()


async def until_waiting(sql: asyncpg.Connection, *, is_waiting: bool) -> None:
    """Wait until a statement waits for an exclusive lock on `images`, or until none does."""
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'images'::regclass "
        "AND mode = 'AccessExclusiveLock' AND NOT granted)"
    )
    while await sql.fetchval(waiting) != is_waiting:
        await asyncio.sleep(0.01)


async def test_an_index_whose_concurrent_creation_failed_is_created_again(
    sql: asyncpg.Connection, migrate: Callable[[str], asyncio.Task[None]], user: Account
) -> None:
    await user.client.post("/v1/images", files={"image": ("one.png", png())})
    await sql.execute("CREATE INDEX ix_images_caption ON images (name)")
    await migrate("additive")
    definition = await sql.fetchval("SELECT pg_get_indexdef('ix_images_caption'::regclass)")
    assert definition.endswith("(caption)")
