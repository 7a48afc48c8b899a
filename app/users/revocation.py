"""The revocation of credentials of an account, for the API and the commands."""

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
    """End the account's sessions, except `kept_session`, its API keys and mailed resets, in the caller's transaction.

    The caller locks the account's row first, so that no sign-in and no new key commits behind it.
    """
    await UserSessionRepository(session).remove_others(user_id, kept_session)
    await MailedLinkRepository(session).remove_all(user_id, LinkPurpose.PASSWORD_RESET)
    if not keep_api_keys:
        await ApiKeyRepository(session).remove_all(user_id)


async def change_role(session: AsyncSession, user: User, *, is_admin: bool) -> None:
    """Promote or demote the account. In both cases its API keys lose the scope `admin`.

    A key that an ordinary account has made must not become an admin's key by the promotion.
    """
    user.is_admin = is_admin
    await ApiKeyRepository(session).withdraw_scope(user.id, Scope.ADMIN)
