"""Requests per second through each subject, one core each, by turns."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import configuration, payloads
from bench.bench import Bench
from bench.report import Result
from bench.rounds import cpu, doubts, measured, microseconds, rate, requests_round, typical_rate
from bench.turns import by_turns

POLICIES = 20


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
                    run = requests_round(
                        bench, subject, payloads.small(), seconds=seconds, credential=credentials[name]
                    )
                    runs[name].append(run)
    ratio = median(rate(a) / rate(b) for a, b in zip(runs["session"], runs["key"], strict=True))
    cpu_ratio = median(cpu(a) / cpu(b) for a, b in zip(runs["session"], runs["key"], strict=True))
    return [
        Result(
            row="sessions",
            work="1 KB requests over a session",
            ours=f"{typical_rate(runs['session']):,.0f} /s",
            other=f"developer key {typical_rate(runs['key']):,.0f} /s",
            ratio=ratio,
            mark="> 0.97 x",
            met=ratio > 0.97,
            notes=(
                f"CPU per request {cpu_ratio:.3f} x that with a developer key; the token has {len(token)} characters",
                *doubts("sessions", runs["session"]),
                *doubts("keys", runs["key"]),
            ),
            measured=measured(runs) | {"ratio": ratio, "cpu_ratio": cpu_ratio},
        )
    ]


def _compare(bench: Bench, row: str, work: str, body: bytes, *, mark: float) -> Sequence[Result]:
    starts, rounds, seconds = (2, 2, 0.7) if bench.quick else (4, 6, 0.9)
    turns = by_turns(
        bench,
        starts=starts,
        rounds=rounds,
        measure=lambda subject: requests_round(bench, subject, body, seconds=seconds),
    )
    runs, missing = turns.runs, turns.missing
    ours, baseline = runs["gateway"], runs["baseline"]
    ratio = median(rate(a) / rate(b) for a, b in zip(ours, baseline, strict=True))
    cpu_ratio = median(cpu(b) / cpu(a) for a, b in zip(ours, baseline, strict=True))
    results = [
        Result(
            row=row,
            work=work,
            ours=f"{typical_rate(ours):,.0f} /s",
            other=f"baseline {typical_rate(baseline):,.0f} /s",
            ratio=ratio,
            mark=f">= {mark} x",
            met=ratio >= mark,
            notes=(
                f"CPU per request: {microseconds(ours)} us, baseline {microseconds(baseline)} us, {cpu_ratio:.2f} x",
                *doubts("gateway", ours),
                *doubts("baseline", baseline),
            ),
            measured=measured(runs) | {"ratio": ratio, "cpu_ratio": cpu_ratio},
        )
    ]
    if missing:
        return [*results, Result(row=row, work=f"{work}, for reference", ours="-", other="nginx", notes=(missing,))]
    beside = median(rate(a) / rate(b) for a, b in zip(ours, runs["nginx"], strict=True))
    reference = Result(
        row=row,
        work=f"{work}, for reference",
        ours=f"{typical_rate(ours):,.0f} /s",
        other=f"nginx {typical_rate(runs['nginx']):,.0f} /s",
        ratio=beside,
        notes=doubts("nginx", runs["nginx"]),
    )
    return [*results, reference]
