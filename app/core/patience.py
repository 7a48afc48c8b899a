"""What tells a process's own want, of time or of the system's means, from somebody else's silence."""

import asyncio
import errno
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

TICK_SECONDS = 0.05
# Errors of the system's by which this process is short of file descriptors or memory; nobody else has failed.
OWN_WANT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


async def patiently(work: Coroutine[Any, Any, Result], seconds: float) -> Result:
    """Return the result of `work`. Raises TimeoutError when it is not there after so many seconds.

    They are counted in turns of the event loop. Where the loop is kept busy for half a second at a time, a clock would
    have run out before the answer, which may have been there all the while, was looked at.
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(round(seconds / TICK_SECONDS)):
            if (await asyncio.wait({task}, timeout=TICK_SECONDS))[0]:
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()
