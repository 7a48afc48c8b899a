"""`background_task`."""

import asyncio

import pytest

from app.core.concurrency import background_task


async def test_the_block_can_await_the_result() -> None:
    async with background_task(asyncio.sleep(0.01, "found")) as work:
        assert await work == "found"


async def test_the_task_is_cancelled_when_the_block_fails() -> None:
    steps = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            steps.append("cleaned up")

    async def fail() -> None:
        async with background_task(work()):
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert steps == ["cleaned up"]


async def test_the_error_of_the_block_is_raised_if_both_fail() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def fail_beside() -> None:
        async with background_task(fail(OSError())):
            await asyncio.sleep(0)
            await fail(LookupError())

    with pytest.raises(LookupError):
        await fail_beside()
