"""Deletes expired sessions and links, with their addresses and user agents."""

from typing import Any, TypeAlias

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.database import Database
from app.models import Invitation, MailedLink, OAuthFlow, UserSession

BATCH = 1000
_Expiring: TypeAlias = UserSession | OAuthFlow | Invitation | MailedLink
_EXPIRING: tuple[tuple[type[_Expiring], InstrumentedAttribute[Any]], ...] = (
    (UserSession, UserSession.id),
    (OAuthFlow, OAuthFlow.state_digest),
    (Invitation, Invitation.id),
    (MailedLink, MailedLink.token_digest),
)


async def remove_expired_credentials(database: Database) -> None:
    """Delete expired sessions, social logins, invitations and mailed links; safe to run in many processes at once.

    Each batch is committed, so that a backlog neither times out nor holds locks. Raises AppError if the database
    does not respond.
    """
    for model, key in _EXPIRING:
        removed = BATCH
        while removed == BATCH:
            async with database.unit_of_work() as session:
                removed = await _remove_batch(session, model, key)


async def _remove_batch(
    session: AsyncSession,
    model: type[_Expiring],
    key: InstrumentedAttribute[Any],
) -> int:
    """Delete up to BATCH unlocked rows, and return their number."""
    expired = select(key).where(model.expires_at <= func.now()).order_by(model.expires_at).limit(BATCH)
    deletion = delete(model).where(key.in_(expired.with_for_update(skip_locked=True))).returning(key)
    return len((await session.scalars(deletion)).all())
