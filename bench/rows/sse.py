"""CPU time per relayed event of slow streams, beside nginx."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.bench import Bench
from bench.report import Result
from bench.rounds import streams_round
from bench.turns import by_turns


def cpu_per_event(bench: Bench) -> Sequence[Result]:
    starts, rounds, seconds = (1, 2, 3.0) if bench.quick else (2, 3, 4.0)
    turns = by_turns(
        bench, starts=starts, rounds=rounds, measure=lambda subject: streams_round(bench, subject, seconds=seconds)
    )
    runs, missing = turns.runs, turns.missing
    ours = runs["gateway"]
    work = "CPU per SSE event"
    errors = tuple(
        f"{name}: {run['errors']} ERRORS, such as {run['examples']}"
        for name, each in runs.items()
        for run in each
        if run["errors"]
    )
    results = []
    for name, mark in (("nginx", 1.5), ("baseline", None)):
        if name not in runs:
            results.append(
                Result(row="sse-cpu", work=work, ours=_shown(ours), other=name, mark=f"<= {mark} x", notes=(missing,))
            )
            continue
        ratio = median(a["us"] / b["us"] for a, b in zip(ours, runs[name], strict=True))
        results.append(
            Result(
                row="sse-cpu",
                work=work if mark else f"{work}, for reference",
                ours=_shown(ours),
                other=f"{name} {_shown(runs[name])}",
                ratio=ratio,
                mark=f"<= {mark} x" if mark else "",
                met=ratio <= mark if mark else None,
                notes=errors if mark else (),
                measured={"ratio": ratio, "gateway_us": _typical(ours), f"{name}_us": _typical(runs[name])},
            )
        )
    return results


def _typical(runs: Sequence[Any]) -> float:
    return float(median(run["us"] for run in runs))


def _shown(runs: Sequence[Any]) -> str:
    return f"{_typical(runs):.1f} us"
