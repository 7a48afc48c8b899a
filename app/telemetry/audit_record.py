"""The record of one audit event, as MongoDB stores it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID


class AuditRecord(NamedTuple):
    """A committed row of `audit_events`."""

    id: UUID
    at: datetime
    actor: UUID | None
    credential: str | None
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    request_id: str | None

    def document(self) -> dict[str, Any]:
        """Return the document. Its `_id` is that of the row, so that a repeated insert makes no duplicate."""
        values = self._asdict()
        return {"_id": str(values.pop("id")), **values, "actor": str(self.actor) if self.actor else None}
