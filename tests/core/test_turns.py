"""Turns: each client waits for itself, and for nobody else."""

import asyncio

import pytest

from app.core.errors import TooManyRequests
from app.core.turns import Turns


async def test_a_client_has_so_many_turns_at_a_time_and_the_rest_in_the_order_of_asking() -> None:
    turns, order, running = Turns(2, 60), list[int](), 0
    most = 0

    async def work(number: int) -> None:
        nonlocal running, most
        async with turns.take("a"):
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))
    assert most == 2


async def test_nobody_waits_for_another_client() -> None:
    turns = Turns(1, 60)
    async with turns.take("a"), turns.take("b"):
        waiting = asyncio.create_task(_take(turns, "a"))
        for client in "cdef":
            await _take(turns, client)
        assert not waiting.done()
    await waiting


async def test_who_waits_too_long_is_told_why() -> None:
    turns = Turns(1, 0.01)
    async with turns.take("a"):
        with pytest.raises(TooManyRequests) as told:
            await _take(turns, "a")
    assert told.value.retry_after == 1
    assert "1 of your requests run already" in str(told.value.detail)
    await _take(turns, "a")


async def test_a_turn_is_given_back_by_what_fails_or_is_cancelled() -> None:
    turns = Turns(1, 60)
    with pytest.raises(ZeroDivisionError):
        async with turns.take("a"):
            raise ZeroDivisionError
    async with turns.take("a"):
        waiting = [asyncio.create_task(_take(turns, "a")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [None, None]


async def test_a_queue_in_which_nobody_stands_is_forgotten() -> None:
    turns = Turns(1, 60)
    for number in range(1000):
        await _take(turns, str(number))
    assert len(turns._queues) <= 1


async def _take(turns: Turns, client: str) -> None:
    async with turns.take(client):
        await asyncio.sleep(0)
