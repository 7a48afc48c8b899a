"""Records changes of SIGN_UP in the audit trail. The setting changes only with a restart."""

from app.audit.audit_log import AuditLog
from app.audit.repository import AuditRepository
from app.db.database import Database
from app.models import AuditAction

_ADVISORY_LOCK = 0x7369676E  # "sign"
DEFAULT_MODE = "open"


async def record_sign_up_mode(database: Database, audit: AuditLog, mode: str) -> None:
    """Write an event if this mode is not the one of the last event. Of several workers, one writes it."""
    async with database.advisory_locked(_ADVISORY_LOCK) as session:
        if session is None:
            return
        newest = await AuditRepository(session).find_newest(AuditAction.SIGN_UP_SET_MODE)
        known = newest.after["mode"] if newest and newest.after else DEFAULT_MODE
        before, after = {"mode": known}, {"mode": mode}
        await audit.write(session, AuditAction.SIGN_UP_SET_MODE, "SIGN_UP", before=before, after=after)
