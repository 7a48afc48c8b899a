"""The declarative base and its naming convention. Errors are mapped by the names of constraints."""

from datetime import UTC, datetime
from typing import Annotated

from sqlalchemy import DateTime, Index, MetaData, func
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


class Base(DeclarativeBase):
    """Base of every model."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


def gin_index(name: str, column: str, operators: str) -> Index:
    """Return a GIN index without `fastupdate`: searches would read its pending list, and a write would flush it."""
    return Index(
        name,
        column,
        postgresql_using="gin",
        postgresql_ops={column: operators},
        postgresql_with={"fastupdate": "off"},
    )


def utc_now() -> datetime:
    """Return the time now, timezone-aware in UTC."""
    return datetime.now(UTC)
