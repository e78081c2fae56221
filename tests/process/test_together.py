"""Work that is done at once ends at once: nothing runs on for a caller that has its error already."""

import asyncio

import pytest

from gateway_operator.together import together


async def _value(number: int, *, turns: int) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    return number


async def test_results_come_in_the_order_of_the_work() -> None:
    assert await together([_value(1, turns=3), _value(2, turns=1)]) == [1, 2]
    assert await together([]) == []


async def test_the_others_have_ended_when_one_fails() -> None:
    ended = asyncio.Event()

    async def endless() -> int:
        try:
            return await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def failing() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await together([endless(), failing()])
    assert ended.is_set()


async def test_a_cancelled_caller_takes_the_work_with_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(together([endless()]))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()
