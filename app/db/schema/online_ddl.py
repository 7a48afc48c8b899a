"""Schema changes for migrations of tables that are in use.

`migrations/env.py` gives every statement a short lock timeout, and repeats the migration when a lock is not available.
A statement that takes long on a full table must also not block writers, so indexes are built concurrently.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import text


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """Build an index without blocking writers. Commits the preceding statements of the migration.

    `options` are those of `op.create_index`. An invalid index of a failed attempt is dropped first.
    """
    with _without_lock_timeout():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def analyze(table: str) -> None:
    """Collect statistics, which an index over an expression needs. Waits while the table is vacuumed."""
    with _without_lock_timeout():
        op.execute(f"ANALYZE {table}")


def drop_index(name: str, table: str) -> None:
    """Drop an index, if it exists, without blocking readers and writers."""
    with _without_lock_timeout():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


@contextmanager
def _without_lock_timeout() -> Iterator[None]:
    """Run outside of a transaction and without the lock timeout: these waits block no other statement."""
    with op.get_context().autocommit_block():
        limit = op.get_bind().scalar(text("SELECT current_setting('lock_timeout')"))
        op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            op.execute(f"SET lock_timeout = '{limit}'")
