"""Alembic's environment: runs online only, through the async driver, beside a service that is at work.

A statement that waits for a table's lock makes every later request for that table wait behind it. So none waits longer
than LOCK_TIMEOUT_MS; the revision is then rolled back and tried again after a pause, in which the requests go on. Each
revision has a transaction of its own: a repetition resumes at the one that failed.

One advisory lock lets several starting workers call it at once: the first migrates, the others find it done. They ask
again and again rather than wait for it in the database, where `CREATE INDEX CONCURRENTLY` would wait for them in turn.
"""

import asyncio
import logging
import random

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.settings import Settings
from app.db.migrate import LockNotAvailable
from app.models import Image

logger = logging.getLogger("migrations")

# What a request may have to wait for a migration that itself waits.
LOCK_TIMEOUT_MS = 500
# For longer than the longest transaction that is to be waited for.
GIVE_UP_SECONDS = 300
ADVISORY_LOCK = 0x696D7473  # "imts"
TRY_ADVISORY_LOCK = text(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})")
# Lock not available, deadlock detected.
IN_THE_WAY = ("55P03", "40P01")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Image.metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_repeatedly(connection: AsyncConnection) -> None:
    deadline = asyncio.get_running_loop().time() + GIVE_UP_SECONDS
    while True:
        try:
            await connection.run_sync(run)
        except DBAPIError as error:
            await connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in IN_THE_WAY:
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise LockNotAvailable("other transactions hold a table; see pg_stat_activity") from error
            logger.warning("a lock is not to be had, the service goes first; trying again")
            await asyncio.sleep(random.uniform(1, 3) * LOCK_TIMEOUT_MS / 1000)  # noqa: S311 - no secret
        else:
            return


async def run_online() -> None:
    url = context.config.attributes.get("sqlalchemy_url") or Settings().sqlalchemy_url
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
