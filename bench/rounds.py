"""One measurement of one subject: requests as fast as they come back, or slow streams."""

import os
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import configuration, payloads
from bench.bench import Bench
from bench.generator import watching
from bench.processes import MeasurementError, cpu_seconds
from bench.subjects import Subject

CONNECTIONS = 32
BUSY = 0.9
"""Below this share of its core, a subject was held back by something else than itself, and a note says so."""

STREAMS = 200
INTERVAL = 0.03
RAMP, WARMUP = 1.0, 0.5


def requests_round(
    bench: Bench,
    subject: Subject,
    body: bytes,
    *,
    seconds: float,
    credential: str = configuration.KEY,
    right: str | None = None,
) -> Any:
    """As many requests as come back. `right`: the address whose answer is the right one; default: the upstream's."""
    audited = None
    if subject.audit is not None:
        os.truncate(subject.audit, 0)
    run = bench.generator.run(
        "requests", body, "-target", subject.address, "-upstream", right or bench.upstream,
        "-connections", str(CONNECTIONS), "-warmup", "250ms", "-duration", f"{seconds}s", *watching(subject.pids()),
        credential=credential,
    )  # fmt: skip
    if run["requests"] == 0:
        raise MeasurementError(f"{subject.name} answered no request: {run['examples']} {subject.process.complaint()}")
    if subject.audit is not None:
        audited = subject.audit.read_bytes().count(b"\n")
    return run | {"audited": audited}


def rate(run: Any) -> float:
    return float(run["requests"] / run["seconds"])


def cpu(run: Any) -> float:
    return float(run["cpu_ns"] / run["requests"])


def typical_rate(runs: Sequence[Any]) -> float:
    return median(map(rate, runs))


def microseconds(runs: Sequence[Any]) -> str:
    return f"{median(map(cpu, runs)) / 1000:.0f}"


def doubts(name: str, runs: Sequence[Any]) -> tuple[str, ...]:
    found = []
    if errors := sum(run["errors"] for run in runs):
        found.append(f"{name}: {errors} ERRORS, such as {next(run['examples'] for run in runs if run['errors'])}")
    busy = median(run["cpu_ns"] / run["seconds"] / 1e9 for run in runs)
    if busy < BUSY:
        found.append(f"{name} had only {busy:.0%} of its core: the machine was busy, or the load was the limit")
    if any(run["audited"] is not None and run["audited"] < run["requests"] for run in runs):
        found.append(f"{name} wrote fewer audit lines than it answered requests: not everything was on")
    return tuple(found)


def measured(runs: dict[str, list[Any]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, each in runs.items():
        values[f"{name}_requests_per_second"] = typical_rate(each)
        values[f"{name}_cpu_us_per_request"] = median(map(cpu, each)) / 1000
        values[f"{name}_p50_ms"] = median(run["p50_ns"] for run in each) / 1e6
        values[f"{name}_p99_ms"] = median(run["p99_ns"] for run in each) / 1e6
        values[f"{name}_errors"] = sum(run["errors"] for run in each)
    return values


def streams_round(bench: Bench, subject: Subject, *, seconds: float) -> Any:
    """CPU time of the subject per event of slow streams, less what it takes at rest."""
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
