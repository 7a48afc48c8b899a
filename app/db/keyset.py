"""Keyset pagination in SQL: by a time, newest first."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Select, tuple_

Position = tuple[datetime, uuid.UUID]


def newest_first(
    statement: Select[*tuple[Any, ...]], model: Any, after: Position | None, limit: int, time: Any = None
) -> Select[*tuple[Any, ...]]:
    """Order the statement by `time` and `id` of the model, and limit it to `limit` rows after the position.

    Without `time`, the order is that of `created_at`.
    """
    time = model.created_at if time is None else time
    if after is not None:
        statement = statement.where(tuple_(time, model.id) < tuple_(*after))
    return statement.order_by(time.desc(), model.id.desc()).limit(limit)
