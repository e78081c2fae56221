"""What a request costs on its way to a cloud, beside one to the Anthropic API: gateways that differ in nothing else."""

import contextlib
import http.client
import re
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench import configuration, payloads
from bench.bench import Bench
from bench.processes import MeasurementError
from bench.providers import ANTHROPIC, BEDROCK, VERTEX_AI
from bench.report import Result
from bench.rounds import cpu, doubts, measured, microseconds, rate, requests_round, streams_round, typical_rate
from bench.subjects import Subject
from bench.turns import Turns, by_turns

CLOUDS = (BEDROCK, VERTEX_AI)
MARK_RATE = 0.75
MARK_CPU = 1.8
EVENTS = 50

_TOKENS = re.compile(rb'"input_tokens":(\d+)')
"""What the stand-in reports of the body that reached it: a cloud's is a little longer or shorter."""
_EDITED_BYTES = 300


def one_kilobyte(bench: Bench) -> Sequence[Result]:
    return _compare(bench, "clouds-1k", "1 KB requests", payloads.small())


def two_hundred_kilobytes(bench: Bench) -> Sequence[Result]:
    return _compare(bench, "clouds-200k", "200 KB requests", payloads.large())


def streams(bench: Bench) -> Sequence[Result]:
    body = payloads.stream(events=EVENTS, interval_seconds=0)
    return _compare(bench, "clouds-streams", f"streams of {EVENTS} events", body)


def cpu_per_event(bench: Bench) -> Sequence[Result]:
    starts, rounds, seconds = (1, 2, 3.0) if bench.quick else (2, 4, 4.0)
    turns = by_turns(
        bench,
        starts=starts,
        rounds=rounds,
        measure=lambda subject: streams_round(bench, subject, seconds=seconds),
        started=_gateways,
    )
    other = turns.runs[ANTHROPIC.name]
    results = []
    for cloud in CLOUDS:
        ours = turns.runs[cloud.name]
        ratio = median(a["us"] / b["us"] for a, b in zip(ours, other, strict=True))
        mine, beside = (median(run["us"] for run in runs) for runs in (ours, other))
        errors = sum(run["errors"] for run in [*ours, *other])
        results.append(
            Result(
                row="clouds-cpu",
                work=f"CPU per event of {cloud.name}",
                ours=f"{mine:.1f} us",
                other=f"Anthropic {beside:.1f} us",
                ratio=ratio,
                mark=f"<= {MARK_CPU} x",
                met=ratio <= MARK_CPU,
                notes=(f"{errors} ERRORS",) if errors else (),
                measured={"ratio": ratio, "us": mine, "anthropic_us": beside},
            )
        )
    return results


def _compare(bench: Bench, row: str, work: str, body: bytes) -> Sequence[Result]:
    starts, rounds, seconds = (1, 3, 0.7) if bench.quick else (3, 6, 0.9)

    def measure(subject: Subject) -> Any:
        _check(bench, subject, body)
        return requests_round(bench, subject, body, seconds=seconds, right=subject.address)

    runs = by_turns(bench, starts=starts, rounds=rounds, measure=measure, started=_gateways).runs
    other = runs[ANTHROPIC.name]
    results = []
    for cloud in CLOUDS:
        ours = runs[cloud.name]
        ratio = median(rate(a) / rate(b) for a, b in zip(ours, other, strict=True))
        cpu_ratio = median(cpu(b) / cpu(a) for a, b in zip(ours, other, strict=True))
        results.append(
            Result(
                row=row,
                work=f"{work}, {cloud.name}",
                ours=f"{typical_rate(ours):,.0f} /s",
                other=f"Anthropic {typical_rate(other):,.0f} /s",
                ratio=ratio,
                mark=f">= {MARK_RATE} x",
                met=ratio >= MARK_RATE,
                notes=(
                    f"CPU per request: {microseconds(ours)} us, Anthropic {microseconds(other)} us, {cpu_ratio:.2f} x",
                    *doubts(cloud.name, ours),
                    *doubts(ANTHROPIC.name, other),
                ),
                measured=measured({cloud.name: ours, ANTHROPIC.name: other}) | {"ratio": ratio, "cpu_ratio": cpu_ratio},
            )
        )
    return results


def _gateways(bench: Bench, stack: contextlib.ExitStack, _: Turns) -> list[Subject]:
    return [stack.enter_context(bench.gateway(provider=provider)) for provider in (ANTHROPIC, *CLOUDS)]


def _check(bench: Bench, subject: Subject, body: bytes) -> None:
    """The generator compares each answer with the subject's first one; that it is right is seen here. Raises
    MeasurementError."""
    theirs, ours = (_answer(address, body) for address in (bench.upstream, subject.address))
    counted = [int(found[1]) if (found := _TOKENS.search(answer)) else 0 for answer in (theirs, ours)]
    if _TOKENS.sub(b"", theirs) != _TOKENS.sub(b"", ours) or abs(counted[0] - counted[1]) > _EDITED_BYTES:
        raise MeasurementError(f"{subject.name} changes what the upstream answers: {ours[:400]!r}")


def _answer(address: str, body: bytes) -> bytes:
    headers = dict(line.split(": ", 1) for line in payloads.headers(configuration.KEY))
    headers["content-type"] = "application/json"
    with contextlib.closing(http.client.HTTPConnection(address, timeout=20)) as connection:
        connection.request("POST", "/v1/messages", body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise MeasurementError(f"{address} answers {response.status}: {answer[:300]!r}")
        return answer
