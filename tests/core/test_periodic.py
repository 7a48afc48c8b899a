import asyncio

import pytest

from app.core.concurrency import repeat
from app.core.errors import DatabaseUnavailable


async def test_no_error_ends_a_periodic_job() -> None:
    outcomes = iter([DatabaseUnavailable(), RuntimeError("a bug"), None])
    done = asyncio.Event()

    async def job() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome
        done.set()

    task = asyncio.create_task(repeat(job, 0.001, "job"))
    await asyncio.wait_for(done.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
