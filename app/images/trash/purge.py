"""Deletes the images that the trash has kept for TRASH_DAYS; the sweeper then deletes their objects."""

from datetime import timedelta

from app.audit.audit_log import AuditLog
from app.core.concurrency import repeat
from app.core.settings import ImageSettings
from app.db.base import utc_now
from app.db.database import Database
from app.images.trash.repository import TrashRepository
from app.models import AuditAction

BATCH = 200


class TrashPurge:
    """Deletes expired images of the trash; safe to run in many processes at once."""

    def __init__(self, database: Database, settings: ImageSettings, audit: AuditLog) -> None:
        self._database, self._audit = database, audit
        self._lifetime = timedelta(days=settings.trash_days)
        self._interval = settings.sweep_interval_seconds

    async def run_forever(self) -> None:
        """Purge again and again."""
        await repeat(self.purge, self._interval, "trash")

    async def purge(self) -> int:
        """Delete every expired image; return their number."""
        before, removed = utc_now() - self._lifetime, 0
        while True:
            async with self._database.unit_of_work() as session:
                batch = await TrashRepository(session).remove_expired(before, BATCH)
                if batch:
                    await self._audit.write(session, AuditAction.IMAGES_PURGE, "/v1/trash", before={"images": batch})
            removed += batch
            if batch < BATCH:
                return removed
