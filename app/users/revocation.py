"""Ends the credentials of an account, and changes its role. docs/reference/credentials.md lists the callers."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import LinkPurpose, Scope, User
from app.users.account_mail.repository import MailedLinkRepository
from app.users.api_keys.repository import ApiKeyRepository
from app.users.sessions.repository import UserSessionRepository


async def revoke_credentials(
    session: AsyncSession,
    user_id: uuid.UUID,
    *,
    kept_session: uuid.UUID | None = None,
    keep_api_keys: bool = False,
) -> None:
    """End the sessions of the account, except `kept_session`, and delete its API keys and password reset links.

    The caller must lock the account's row first. Otherwise, a concurrent sign-in or new key could commit after this.
    """
    await UserSessionRepository(session).remove_others(user_id, kept_session)
    await MailedLinkRepository(session).remove_all(user_id, LinkPurpose.PASSWORD_RESET)
    if not keep_api_keys:
        await ApiKeyRepository(session).remove_all(user_id)


async def change_role(session: AsyncSession, user: User, *, is_admin: bool) -> None:
    """Promote or demote the account. In both cases its API keys lose the scope `admin`.

    A key from before the promotion must not become an admin's key.
    """
    user.is_admin = is_admin
    await ApiKeyRepository(session).remove_scope(user.id, Scope.ADMIN)
