"""How fast a child is put right that somebody else keeps changing. Another controller that insists on its own value
answers each repair at once; to answer it at once as well would write without end, as fast as the API server can."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REPAIRS: Final = 10
"""Of one child, one after the other without a pause."""
RECOVERY_SECONDS: Final = 3.0
"""Until one more may follow."""


@dataclass(slots=True)
class _Repairs:
    wanted: str
    left: float
    at: float


class Restraint:
    """Of one gateway, kept from one reconcile to the next. `child`: kind and name. `wanted`: a digest of what is to be
    there; another wish than the one before is no repair."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._repairs: dict[tuple[str, str], _Repairs] = {}

    def pause(self, child: tuple[str, str], wanted: str) -> float:
        """Seconds until the child may be changed again; 0 when it may be now."""
        known = self._repairs.get(child)
        if known is None or known.wanted != wanted:
            return 0.0
        missing = 1.0 - self._left(known)
        return max(0.0, missing * RECOVERY_SECONDS)

    def changed(self, child: tuple[str, str], wanted: str) -> None:
        """An object that was there has been changed to what is wanted."""
        known = self._repairs.get(child)
        if known is None or known.wanted != wanted:
            self._repairs[child] = _Repairs(wanted, float(REPAIRS), self._clock())
        else:
            known.left, known.at = self._left(known) - 1.0, self._clock()

    def _left(self, known: _Repairs) -> float:
        return min(float(REPAIRS), known.left + (self._clock() - known.at) / RECOVERY_SECONDS)
