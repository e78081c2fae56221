"""Waiting for what must happen on the event loop."""

import asyncio
from collections.abc import Callable

DEADLINE = 20.0
"""In seconds; generous, because the machine may be busy."""


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():
            await asyncio.sleep(0.002)
