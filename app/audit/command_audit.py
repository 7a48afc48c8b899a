"""The audit log of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.audit.audit_log import COMMAND, AuditLog
from app.core.settings import Settings
from app.telemetry.mongo_store import RequestLog
from app.telemetry.recording.audit_delivery import AuditDelivery


@asynccontextmanager
async def command_audit_log(settings: Settings) -> AsyncIterator[AuditLog]:
    """Yield an audit log. At the end, MongoDB gets the committed events if it is configured and responds."""
    log = RequestLog(settings)
    delivery = AuditDelivery(log)
    try:
        yield AuditLog(COMMAND, delivery.add)
    finally:
        if settings.mongo_url.get_secret_value():
            await delivery.close()
        await log.close()
