"""Requests per second through each subject, one core each, by turns."""

import os
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import configuration, payloads
from bench.bench import Bench
from bench.generator import watching
from bench.processes import MeasurementError
from bench.report import Result
from bench.subjects import Subject
from bench.turns import by_turns

CONNECTIONS = 32
POLICIES = 20
BUSY = 0.9
"""Below this share of its core, a subject was held back by something else than itself, and a note says so."""


def one_kilobyte(bench: Bench) -> Sequence[Result]:
    return _compare(bench, "relay-1k", "1 KB requests", payloads.small(), mark=2.0)


def two_hundred_kilobytes(bench: Bench) -> Sequence[Result]:
    return _compare(bench, "relay-200k", "200 KB requests", payloads.large(), mark=1.1)


def sessions(bench: Bench) -> Sequence[Result]:
    """One gateway, whose clients present a session's token and a developer key by turns."""
    starts, rounds, seconds = (2, 4, 0.7) if bench.quick else (4, 12, 0.9)
    token = configuration.session_token(policies=POLICIES)
    credentials = {"session": token, "key": configuration.KEY}
    runs: dict[str, list[Any]] = {name: [] for name in credentials}
    for start in range(starts):
        with bench.gateway(policies=POLICIES) as subject:
            for number in range(rounds):
                order = list(credentials) if number % 2 == start % 2 else list(credentials)[::-1]
                for name in order:
                    bench.progress(f"round {start * rounds + number + 1} of {starts * rounds}, {name}")
                    run = _round(bench, subject, payloads.small(), seconds=seconds, credential=credentials[name])
                    runs[name].append(run)
    ratio = median(_rate(a) / _rate(b) for a, b in zip(runs["session"], runs["key"], strict=True))
    cpu_ratio = median(_cpu(a) / _cpu(b) for a, b in zip(runs["session"], runs["key"], strict=True))
    return [
        Result(
            row="sessions",
            work="1 KB requests over a session",
            ours=f"{_typical(runs['session']):,.0f} /s",
            other=f"developer key {_typical(runs['key']):,.0f} /s",
            ratio=ratio,
            mark="> 0.97 x",
            met=ratio > 0.97,
            notes=(
                f"CPU per request {cpu_ratio:.3f} x that with a developer key; the token has {len(token)} characters",
                *_doubts("sessions", runs["session"]),
                *_doubts("keys", runs["key"]),
            ),
            measured=_measured(runs) | {"ratio": ratio, "cpu_ratio": cpu_ratio},
        )
    ]


def _compare(bench: Bench, row: str, work: str, body: bytes, *, mark: float) -> Sequence[Result]:
    starts, rounds, seconds = (2, 2, 0.7) if bench.quick else (4, 6, 0.9)
    turns = by_turns(
        bench, starts=starts, rounds=rounds, measure=lambda subject: _round(bench, subject, body, seconds=seconds)
    )
    runs, missing = turns.runs, turns.missing
    ours, baseline = runs["gateway"], runs["baseline"]
    ratio = median(_rate(a) / _rate(b) for a, b in zip(ours, baseline, strict=True))
    cpu_ratio = median(_cpu(b) / _cpu(a) for a, b in zip(ours, baseline, strict=True))
    results = [
        Result(
            row=row,
            work=work,
            ours=f"{_typical(ours):,.0f} /s",
            other=f"baseline {_typical(baseline):,.0f} /s",
            ratio=ratio,
            mark=f">= {mark} x",
            met=ratio >= mark,
            notes=(
                f"CPU per request: {_microseconds(ours)} us, baseline {_microseconds(baseline)} us, {cpu_ratio:.2f} x",
                *_doubts("gateway", ours),
                *_doubts("baseline", baseline),
            ),
            measured=_measured(runs) | {"ratio": ratio, "cpu_ratio": cpu_ratio},
        )
    ]
    if missing:
        return [*results, Result(row=row, work=f"{work}, for reference", ours="-", other="nginx", notes=(missing,))]
    beside = median(_rate(a) / _rate(b) for a, b in zip(ours, runs["nginx"], strict=True))
    reference = Result(
        row=row,
        work=f"{work}, for reference",
        ours=f"{_typical(ours):,.0f} /s",
        other=f"nginx {_typical(runs['nginx']):,.0f} /s",
        ratio=beside,
        notes=_doubts("nginx", runs["nginx"]),
    )
    return [*results, reference]


def _round(bench: Bench, subject: Subject, body: bytes, *, seconds: float, credential: str = configuration.KEY) -> Any:
    audited = None
    if subject.audit is not None:
        os.truncate(subject.audit, 0)
    run = bench.generator.run(
        "requests", body, "-target", subject.address, "-upstream", bench.upstream, "-connections", str(CONNECTIONS),
        "-warmup", "250ms", "-duration", f"{seconds}s", *watching(subject.pids()), credential=credential,
    )  # fmt: skip
    if run["requests"] == 0:
        raise MeasurementError(f"{subject.name} answered no request: {run['examples']} {subject.process.complaint()}")
    if subject.audit is not None:
        audited = subject.audit.read_bytes().count(b"\n")
    return run | {"audited": audited}


def _rate(run: Any) -> float:
    return float(run["requests"] / run["seconds"])


def _cpu(run: Any) -> float:
    return float(run["cpu_ns"] / run["requests"])


def _typical(runs: Sequence[Any]) -> float:
    return median(map(_rate, runs))


def _microseconds(runs: Sequence[Any]) -> str:
    return f"{median(map(_cpu, runs)) / 1000:.0f}"


def _doubts(name: str, runs: Sequence[Any]) -> tuple[str, ...]:
    doubts = []
    if errors := sum(run["errors"] for run in runs):
        doubts.append(f"{name}: {errors} ERRORS, such as {next(run['examples'] for run in runs if run['errors'])}")
    busy = median(run["cpu_ns"] / run["seconds"] / 1e9 for run in runs)
    if busy < BUSY:
        doubts.append(f"{name} had only {busy:.0%} of its core: the machine was busy, or the load was the limit")
    if any(run["audited"] is not None and run["audited"] < run["requests"] for run in runs):
        doubts.append(f"{name} wrote fewer audit lines than it answered requests: not everything was on")
    return tuple(doubts)


def _measured(runs: dict[str, list[Any]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, each in runs.items():
        values[f"{name}_requests_per_second"] = _typical(each)
        values[f"{name}_cpu_us_per_request"] = median(map(_cpu, each)) / 1000
        values[f"{name}_p50_ms"] = median(run["p50_ns"] for run in each) / 1e6
        values[f"{name}_p99_ms"] = median(run["p99_ns"] for run in each) / 1e6
        values[f"{name}_errors"] = sum(run["errors"] for run in each)
    return values
