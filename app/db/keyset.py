"""Keyset pagination in SQL: by creation, newest first."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Select, tuple_

Position = tuple[datetime, uuid.UUID]


def newest_first(statement: Select[Any], model: Any, after: Position | None, limit: int) -> Select[Any]:
    """Order the statement by `created_at` and `id` of the model, and limit it to `limit` rows after the position."""
    if after is not None:
        statement = statement.where(tuple_(model.created_at, model.id) < tuple_(*after))
    return statement.order_by(model.created_at.desc(), model.id.desc()).limit(limit)
