"""Work that is done again and again for as long as the service lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.core.errors import AppError

logger = logging.getLogger(__name__)


async def repeat(job: Callable[[], Awaitable[object]], interval: float, name: str) -> None:
    """Run `job` every `interval` seconds, for ever. What it raises is logged and never ends it.

    A backend that is down is one line; anything else comes with its traceback, such as tables that no migration has
    made yet.
    """
    while True:
        try:
            await job()
        except AppError as error:
            logger.warning("%s: tries again later: %s", name, error)
        except Exception:
            logger.exception("%s: tries again later", name)
        await asyncio.sleep(interval)
