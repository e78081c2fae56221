"""CPU time per relayed event of slow streams, beside nginx."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import payloads
from bench.bench import Bench
from bench.generator import watching
from bench.processes import MeasurementError, cpu_seconds
from bench.report import Result
from bench.subjects import Subject
from bench.turns import by_turns

STREAMS = 200
INTERVAL = 0.03
RAMP, WARMUP = 1.0, 0.5


def cpu_per_event(bench: Bench) -> Sequence[Result]:
    starts, rounds, seconds = (1, 2, 3.0) if bench.quick else (2, 3, 4.0)
    turns = by_turns(
        bench, starts=starts, rounds=rounds, measure=lambda subject: _round(bench, subject, seconds=seconds)
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


def _round(bench: Bench, subject: Subject, *, seconds: float) -> Any:
    pids = subject.pids()
    idle = _idle_share(pids)
    # Every stream lasts from its place in the ramp until after the measured time.
    events = round((RAMP + WARMUP + seconds + 1.0) / INTERVAL)
    reports: dict[str, Any] = {}
    bench.generator.run(
        "streams", payloads.stream(events=events, interval_seconds=INTERVAL), "-target", subject.address,
        "-connections", str(STREAMS), "-events", str(events), "-ramp", f"{RAMP}s", "-warmup", f"{WARMUP}s",
        "-duration", f"{seconds}s", *watching(pids), on=lambda report: reports.update({report["phase"]: report}),
    )  # fmt: skip
    if "measured" not in reports:
        raise MeasurementError(f"{subject.name} did not carry {STREAMS} streams: {reports['end']['examples']}")
    measured, end = reports["measured"], reports["end"]
    spent = measured["cpu_ns"] / 1e9 - idle * measured["seconds"]
    lost = end["expected"] - end["received"]
    return {"us": spent * 1e6 / measured["events"], "errors": end["errors"] + abs(lost), "examples": end["examples"]}


def _idle_share(pids: Sequence[int], seconds: float = 1.0) -> float:
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pids) - before) / (time.monotonic() - began)


def _typical(runs: Sequence[Any]) -> float:
    return float(median(run["us"] for run in runs))


def _shown(runs: Sequence[Any]) -> str:
    return f"{_typical(runs):.1f} us"
