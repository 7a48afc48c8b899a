"""Writes audit events in the transaction of the action; after the commit, they are also published as records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import event as session_events
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.audit.repository import AuditRepository
from app.authz.principal import Principal
from app.models import AuditAction, AuditEvent
from app.telemetry.audit_record import AuditRecord

MAX_TEXT = 1024
MAX_ITEMS = 100
MAX_ITEM = 128

AuditValue: TypeAlias = str | int | bool | Sequence[str] | None
AuditMembers: TypeAlias = Mapping[str, AuditValue]
Publish: TypeAlias = Callable[[AuditRecord], None]


@dataclass(frozen=True, slots=True)
class AuditAuthor:
    """The account, the credential and the request of an action.

    `credential` is the id of a session or of an API key, `command`, `service`, or `invitation` for a sign-up.
    """

    actor: UUID | None
    credential: str | None
    request_id: str | None = None


COMMAND = AuditAuthor(None, "command")
SERVICE = AuditAuthor(None, "service")


class AuditLog:
    """Writes the audit events of one author."""

    def __init__(self, author: AuditAuthor, publish: Publish) -> None:
        self._author, self._publish = author, publish

    def by(self, actor: UUID) -> "AuditLog":
        """Return the log with another actor: the account that a sign-up creates."""
        return AuditLog(replace(self._author, actor=actor), self._publish)

    async def write(
        self,
        session: AsyncSession,
        action: AuditAction,
        target: str,
        *,
        before: AuditMembers | None = None,
        after: AuditMembers | None = None,
    ) -> None:
        """Add an event to the transaction; without a changed member, do nothing.

        `target` is the path of the changed resource. Members that are equal in `before` and `after` are left out, and
        long values are cut. The members must not be secrets or e-mail addresses: the event outlives the account.
        """
        if before is not None and after is not None:
            before, after = _changed(before, after), _changed(after, before)
            if not before and not after:
                return
        author = self._author
        event = AuditEvent(
            actor=author.actor,
            credential=author.credential,
            action=action,
            object=_cut(target, MAX_TEXT),
            before=_bounded(before),
            after=_bounded(after),
            request_id=author.request_id,
        )
        await AuditRepository(session).add(event)
        self._publish_after_commit(session, _to_record(event))

    def _publish_after_commit(self, session: AsyncSession, record: AuditRecord) -> None:
        def publish(_session: Session) -> None:
            self._publish(record)

        session_events.listen(session.sync_session, "after_commit", publish, once=True)


def author_of(principal: Principal, request_id: str | None) -> AuditAuthor:
    """Return the author of the actions of a request."""
    credential = principal.session_id or principal.key_id
    return AuditAuthor(principal.id, str(credential) if credential else None, request_id)


def _changed(members: AuditMembers, others: AuditMembers) -> AuditMembers:
    return {name: value for name, value in members.items() if name not in others or value != others[name]}


def _bounded(members: AuditMembers | None) -> dict[str, object] | None:
    return None if members is None else {name: _bounded_value(value) for name, value in members.items()}


def _bounded_value(value: AuditValue) -> object:
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return _cut(value, MAX_TEXT)
    return [_cut(item, MAX_ITEM) for item in value[:MAX_ITEMS]]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _to_record(event: AuditEvent) -> AuditRecord:
    return AuditRecord(
        event.id,
        event.at,
        event.actor,
        event.credential,
        event.action,
        event.object,
        event.before,
        event.after,
        event.request_id,
    )
