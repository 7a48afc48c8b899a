"""The cursors of the audit trail."""

import uuid
from dataclasses import astuple
from datetime import datetime

from app.audit.repository import AuditFilter, AuditPosition
from app.core.pagination import CursorSigner
from app.models import AuditEvent


class AuditCursors:
    """Makes and reads the cursors of one filter."""

    def __init__(self, cursors: CursorSigner, wanted: AuditFilter) -> None:
        self._cursors, self._fingerprint = cursors, f"audit {astuple(wanted)!r}"

    def read(self, cursor: str | None) -> AuditPosition | None:
        """Return the position before the page; None for the first page. Raises InvalidCursor."""
        if cursor is None:
            return None
        at, event_id = self._cursors.decode(cursor, self._fingerprint)
        return datetime.fromisoformat(at), uuid.UUID(event_id)

    def encode(self, last: AuditEvent) -> str:
        """Return the cursor of the page after this event."""
        return self._cursors.encode([last.at.isoformat(), str(last.id)], self._fingerprint)
