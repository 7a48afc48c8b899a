"""Alembic's environment: runs online only, through the async driver, under a lock time-out.

One advisory lock lets several starting workers call it at once: the first migrates, the others wait and find it done.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.settings import Settings
from app.models import Image

# A migration that cannot get its table lock gives up rather than queue every request behind itself.
LOCK_TIMEOUT_MS = 5000
ADVISORY_LOCK = 0x696D7473  # "imts"


def run(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
    connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    connection.commit()
    # The advisory lock ends with the connection.
    context.configure(connection=connection, target_metadata=Image.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    url = context.config.attributes.get("sqlalchemy_url") or Settings().sqlalchemy_url
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(run_online())
