"""Changes of the schema that the service does not notice; for migrations of tables that are in use.

`migrations/env.py` gives every statement a short lock time-out and repeats the migration when a lock is not to be had.
What takes long on a full table must besides take no lock that writers wait for: an index is built concurrently.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import text


def create_index(name: str, table: str, columns: Sequence[Any], **options: Any) -> None:
    """Build an index while the table is written to. What the migration did before is committed first.

    `options` are those of `op.create_index`. An attempt that failed leaves an invalid index: it goes first.
    """
    with _patient():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def analyze(table: str) -> None:
    """Have the planner know of what lies in an index over an expression. It waits while the table is vacuumed."""
    with _patient():
        op.execute(f"ANALYZE {table}")


def drop_index(name: str, table: str) -> None:
    """Drop an index without waiting in front of the table's readers and writers; one that is gone is no error."""
    with _patient():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


@contextmanager
def _patient() -> Iterator[None]:
    """Outside of a transaction, and without the lock time-out: waiting for old transactions blocks nobody here."""
    with op.get_context().autocommit_block():
        limit = op.get_bind().scalar(text("SELECT current_setting('lock_timeout')"))
        op.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            op.execute(f"SET lock_timeout = '{limit}'")
