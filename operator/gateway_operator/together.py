"""Several things at once, of which none outlives a failure of the others."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


async def together(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results in order. When one fails, the others are cancelled and have ended before its error is raised;
    `asyncio.gather` lets them run on, for nobody."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
