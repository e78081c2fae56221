"""Subjects measured by turns."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.bench import Bench
from bench.processes import MeasurementError
from bench.subjects import Subject


@dataclass
class Turns:
    runs: dict[str, list[Any]] = field(default_factory=dict)
    """What each round measured, by subject; the same place in each list is the same round."""
    missing: str = ""
    """Why nginx could not be measured."""


def beside_others(bench: Bench, stack: contextlib.ExitStack, turns: Turns) -> list[Subject]:
    """The baseline, the gateway, and nginx where there is one."""
    subjects = [stack.enter_context(bench.baseline()), stack.enter_context(bench.gateway())]
    try:
        subjects.append(stack.enter_context(bench.nginx()))
    except MeasurementError as error:
        turns.missing = str(error)
    return subjects


def by_turns(
    bench: Bench,
    *,
    starts: int,
    rounds: int,
    measure: Callable[[Subject], Any],
    started: Callable[[Bench, contextlib.ExitStack, Turns], list[Subject]] = beside_others,
) -> Turns:
    """Measures each of the subjects `rounds` times in each of `starts` lives of their processes.

    They are started anew because two processes of one program differ by several percent, by how their memory lies and
    their hashes fall, for as long as they live. Each round begins with another subject, so that each follows each.
    """
    turns = Turns()
    for start in range(starts):
        with contextlib.ExitStack() as stack:
            subjects = started(bench, stack, turns)
            for number in range(rounds):
                order = subjects[number % len(subjects) :] + subjects[: number % len(subjects)]
                for subject in order if (start + number) % 2 == 0 else order[::-1]:
                    bench.progress(f"round {start * rounds + number + 1} of {starts * rounds}, {subject.name}")
                    turns.runs.setdefault(subject.name, []).append(measure(subject))
    return turns
