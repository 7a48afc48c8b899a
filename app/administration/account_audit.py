"""Writes audit events of the changes of an account."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.audit.audit_log import AuditLog
from app.core.resource_paths import user_path
from app.models import AuditAction, User


@dataclass(frozen=True, slots=True)
class AccountState:
    """The members of an account that admins change and that are no secrets."""

    is_admin: bool
    disabled: bool
    quota_bytes: int | None

    @classmethod
    def of(cls, user: User) -> "AccountState":
        """Return the present state of an account."""
        return cls(user.is_admin, user.disabled, user.quota_bytes)


async def write_account_changes(audit: AuditLog, session: AsyncSession, before: AccountState, user: User) -> None:
    """Write an event for each member that has changed since `before`."""
    after = AccountState.of(user)
    role = AuditAction.ACCOUNT_PROMOTE if after.is_admin else AuditAction.ACCOUNT_DEMOTE
    access = AuditAction.ACCOUNT_DISABLE if after.disabled else AuditAction.ACCOUNT_ENABLE
    quota = AuditAction.ACCOUNT_SET_QUOTA
    for action, member in ((role, "is_admin"), (access, "disabled"), (quota, "quota_bytes")):
        old, new = getattr(before, member), getattr(after, member)
        await audit.write(session, action, user_path(user.id), before={member: old}, after={member: new})
