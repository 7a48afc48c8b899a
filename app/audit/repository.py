"""SQL of the audit trail."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditAction, AuditEvent

# The time and the id of an event.
AuditPosition = tuple[datetime, uuid.UUID]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of events. The times are inclusive."""

    since: datetime
    until: datetime
    actor: uuid.UUID | None = None
    action: AuditAction | None = None


class AuditRepository:
    """The SQL of audit events."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, event: AuditEvent) -> None:
        """Insert an event, and set its time."""
        self._session.add(event)
        await self._session.flush()

    async def list_newest(self, wanted: AuditFilter, after: AuditPosition | None, limit: int) -> Sequence[AuditEvent]:
        """Return up to `limit` matching events, newest first, after the position."""
        statement = select(AuditEvent).where(AuditEvent.at.between(wanted.since, wanted.until))
        if wanted.actor is not None:
            statement = statement.where(AuditEvent.actor == wanted.actor)
        if wanted.action is not None:
            statement = statement.where(AuditEvent.action == wanted.action)
        if after is not None:
            statement = statement.where(tuple_(AuditEvent.at, AuditEvent.id) < tuple_(*after))
        newest = statement.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
        return (await self._session.scalars(newest)).all()

    async def find_newest(self, action: AuditAction) -> AuditEvent | None:
        """Return the newest event of an action."""
        statement = select(AuditEvent).where(AuditEvent.action == action)
        newest = statement.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(1)
        return await self._session.scalar(newest)
