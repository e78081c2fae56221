"""What was measured, as one table."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Result:
    row: str
    work: str
    ours: str
    """With its unit, `-` where only others were measured."""
    other: str = ""
    """What it is compared with, and its number."""
    ratio: float | None = None
    mark: str = ""
    met: bool | None = None
    """None: there is no mark, or it could not be measured."""
    notes: tuple[str, ...] = ()
    """What a reader needs to judge the numbers: errors, a disturbed core, CPU time."""
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


HEADER = ("work", "ours", "compared with", "ratio", "mark", "met")


def table(results: Sequence[Result]) -> str:
    """Markdown, aligned for a terminal; below it the notes, by row."""
    lines = [HEADER, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    text = [_line(lines[0], widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    text += [_line(line, widths) for line in lines[1:]]
    notes = [f"  {result.work}: {note}" for result in results for note in result.notes]
    return "\n".join(text + (["", "Notes", *notes] if notes else []))


def as_json(results: Sequence[Result]) -> str:
    return json.dumps([dataclasses.asdict(result) for result in results], indent=2)


def _cells(result: Result) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: "not measured" if result.mark else ""}[result.met]
    ratio = "" if result.ratio is None else f"{result.ratio:.2f} x"
    return (result.work, result.ours, result.other, ratio, result.mark, met)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
