"""Alembic's environment: migrates online only, through the async driver, while the service runs.

A statement that waits for a table lock blocks every later request for that table. So a statement waits for at most
LOCK_TIMEOUT_MS. Then the revision is rolled back and repeated after a pause, in which requests go on. Each revision has
its own transaction, so a repetition resumes at the revision that failed.

An advisory lock lets several starting workers migrate at once: the first migrates, the others find nothing to do. They
poll for the lock instead of waiting in the database, because `CREATE INDEX CONCURRENTLY` would wait for them.
"""

import asyncio
import logging
import random

from alembic import context
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.settings import Settings
from app.db.schema.rename_schema import rename_schema
from app.db.schema.schema_upgrade import LockNotAvailable, MigrationRefused
from app.models import Image

logger = logging.getLogger("migrations")

# The longest that a request waits behind a migration that waits for a lock.
LOCK_TIMEOUT_MS = 500
# Longer than the longest transaction of the service.
GIVE_UP_SECONDS = 300
ADVISORY_LOCK = 0x696D7473  # "imts"
TRY_ADVISORY_LOCK = text(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})")
# Lock not available, deadlock detected.
RETRYABLE = ("55P03", "40P01")
# The first revision of this version, and the last revision of the previous one.
BASELINE = "0023"
PREVIOUS_HEAD = "0022"


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether `alembic check` compares the object. The service creates the partitions of `tag_events`."""
    return kind != "table" or name is None or not name.startswith("tag_events_")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Image.metadata,
        include_name=is_compared,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    adopt_previous_schema(connection)
    with context.begin_transaction():
        context.run_migrations()


def adopt_previous_schema(connection: Connection) -> None:
    """Rename a schema of the previous version and stamp it as the baseline, in one transaction.

    Only `schema_upgrade.upgrade` does so. Raises MigrationRefused for an older revision, and for other commands.
    """
    migration = context.get_context()
    unknown = set(migration.get_current_heads()) - {script.revision for script in context.script.walk_revisions()}
    connection.rollback()
    if not unknown:
        return
    if unknown != {PREVIOUS_HEAD}:
        raise MigrationRefused(
            f"The database has revision {', '.join(sorted(unknown))}, which this version does not know. If it is older "
            f"than {PREVIOUS_HEAD}, run `python -m app migrate` of version 1.0.0 first. Else use a newer version."
        )
    if not context.config.attributes.get("adopt_previous_schema"):
        raise MigrationRefused(f"The database has revision {PREVIOUS_HEAD}. Run `python -m app migrate`.")
    baseline = context.script.get_revision(BASELINE)
    with connection.begin(), Operations.context(migration):
        rename_schema()
        baseline.module.create_triggers()
        # `MigrationContext.stamp` would look up the script of the previous revision.
        connection.execute(text("UPDATE alembic_version SET version_num = :baseline"), {"baseline": BASELINE})


async def run_repeatedly(connection: AsyncConnection) -> None:
    deadline = asyncio.get_running_loop().time() + GIVE_UP_SECONDS
    while True:
        try:
            await connection.run_sync(run)
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in RETRYABLE:
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise LockNotAvailable("other transactions hold a table; see pg_stat_activity") from error
            logger.warning("a table is locked by another transaction; the migration will be repeated")
            await asyncio.sleep(random.uniform(1, 3) * LOCK_TIMEOUT_MS / 1000)  # noqa: S311 - no secret
        else:
            return


async def run_online() -> None:
    url = context.config.attributes.get("sqlalchemy_url") or Settings().sqlalchemy_direct_url
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    async with engine.connect() as connection:
        # Held until the connection ends.
        while not await connection.scalar(TRY_ADVISORY_LOCK):
            await connection.rollback()
            await asyncio.sleep(0.1)
        await connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
        await connection.commit()
        await run_repeatedly(connection)
    await engine.dispose()


asyncio.run(run_online())
