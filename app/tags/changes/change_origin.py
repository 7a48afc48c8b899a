"""The origin of a change of images' tags: the triggers on `tagged` write it to `tag_events`."""

import json
import uuid
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.callers import current_caller
from app.models import TagEventSource

# A setting of the transaction, so it works with PgBouncer too, and ends with the transaction.
SET_ORIGIN = "set_config('imts.tag_change', :origin, true)"
_SET_ORIGIN = text(f"SELECT {SET_ORIGIN}")


class ChangeOrigin(NamedTuple):
    """The kind of operation that changes tags; all events of one bulk operation have its `batch`."""

    source: TagEventSource
    batch: uuid.UUID | None = None

    def to_setting(self) -> str:
        """Return the value of the setting: this origin, and the caller of the current request."""
        caller = current_caller.get()
        origin: dict[str, object] = {"source": self.source, "batch": self.batch}
        if caller is not None:
            origin |= {"actor": caller.account, "credential": caller.credential, "request_id": caller.request_id}
        return json.dumps({name: str(value) for name, value in origin.items() if value is not None})


BY_HAND = ChangeOrigin(TagEventSource.HAND)


def new_batch(source: TagEventSource) -> ChangeOrigin:
    """Return the origin of a new operation on many images."""
    return ChangeOrigin(source, uuid.uuid4())


async def set_origin(session: AsyncSession, origin: ChangeOrigin) -> None:
    """Set the origin of the tag changes until the commit."""
    await session.execute(_SET_ORIGIN, {"origin": origin.to_setting()})
