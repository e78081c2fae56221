"""Tells when a directory's manifests have changed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from watchfiles import awatch

SETTLE_MILLISECONDS = 25
"""An editor or a checkout writes in several steps; a change is told when nothing more came for this long."""
LONGEST_SETTLE_MILLISECONDS = 500
POLL_MILLISECONDS = 1000
"""What notifications do not reach (a link's target elsewhere, a network file system) is seen by this poll."""


async def changes(
    directory: Path, *, suffixes: tuple[str, ...], signature: Callable[[], object]
) -> AsyncIterator[None]:
    """Yields after every change of a file with one of the suffixes, or of the signature."""
    known = signature()
    async for events in awatch(
        directory,
        recursive=False,
        watch_filter=None,
        step=SETTLE_MILLISECONDS,
        debounce=LONGEST_SETTLE_MILLISECONDS,
        rust_timeout=POLL_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        names = [Path(path).name for _, path in events]
        seen = signature()
        if seen != known or any(name.endswith(suffixes) and not name.startswith(".") for name in names):
            known = seen
            yield
