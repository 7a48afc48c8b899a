"""Work that is done again and again for as long as the service lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.core.errors import AppError
from app.core.outages import OutageLog

logger = logging.getLogger(__name__)


async def repeat(job: Callable[[], Awaitable[object]], interval: float, name: str) -> None:
    """Run `job` every `interval` seconds, for ever. An error is logged once in an outage and never ends the loop.

    An unavailable backend is one line. Any other error comes with its traceback, such as a missing table.
    """
    outage = OutageLog(logger, name)
    while True:
        try:
            await job()
            outage.recover()
        except AppError as error:
            outage.fail(error)
        except Exception as error:  # noqa: BLE001 - it is logged with its traceback
            outage.fail(error, traceback=True)
        await asyncio.sleep(interval)
