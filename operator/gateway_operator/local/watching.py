"""Tells when a directory's manifests have changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from watchfiles import awatch

SETTLE_MILLISECONDS = 25
"""An editor or a checkout writes in several steps; a change is told when nothing more came for this long."""
LONGEST_SETTLE_MILLISECONDS = 500
POLL_MILLISECONDS = 1000
"""What notifications do not reach (a link's target elsewhere, a network file system) is seen by this poll."""


class Changes:
    """Notices changes from the moment it is made; `wait` returns once for all of them. See `watched`."""

    def __init__(self, directory: Path, *, suffixes: tuple[str, ...], signature: Callable[[], object]) -> None:
        self._directory = directory
        self._suffixes = suffixes
        self._signature = signature
        self._known = signature()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def watch(self) -> None:
        """For ever."""
        with contextlib.suppress(OSError, RuntimeError):
            # No notifications here: the directory is absent, or the system's limit of watches is reached.
            await self._take_notifications()
        while True:
            await asyncio.sleep(POLL_MILLISECONDS / 1000)
            self._compare(set())

    async def _take_notifications(self) -> None:
        async for events in awatch(
            self._directory,
            recursive=False,
            watch_filter=None,
            step=SETTLE_MILLISECONDS,
            debounce=LONGEST_SETTLE_MILLISECONDS,
            rust_timeout=POLL_MILLISECONDS,
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            self._compare({Path(path).name for _, path in events})

    def _compare(self, names: set[str]) -> None:
        seen = self._signature()
        if seen != self._known or any(map(self._counts, names)):
            self._known = seen
            self._changed.set()

    def _counts(self, name: str) -> bool:
        return name.endswith(self._suffixes) and not name.startswith(".")


@contextlib.asynccontextmanager
async def watched(
    directory: Path, *, suffixes: tuple[str, ...], signature: Callable[[], object]
) -> AsyncIterator[Changes]:
    """Changes of files with one of the suffixes, or of the signature. Enter it before the files are read: then no edit
    falls between reading and watching."""
    changes = Changes(directory, suffixes=suffixes, signature=signature)
    watch = asyncio.create_task(changes.watch())
    try:
        yield changes
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
