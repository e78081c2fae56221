"""What one call costs in this process."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.report import Result

Item = TypeVar("Item")


def seconds_each(items: Sequence[Item], work: Callable[[Item], object]) -> float:
    """The mean of one round."""
    began = time.perf_counter()
    for item in items:
        work(item)
    return (time.perf_counter() - began) / len(items)


def result(row: str, work: str, seconds: float, *, mark: int, notes: tuple[str, ...]) -> Result:
    """`mark`: the most that it may take, in microseconds."""
    microseconds = seconds * 1e6
    return Result(
        row=row,
        work=work,
        ours=f"{microseconds:.2f} us",
        mark=f"<= {mark} us",
        met=microseconds <= mark,
        notes=notes,
        measured={"microseconds": microseconds},
    )
