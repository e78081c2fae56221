"""The time that the gateway adds before the first byte."""

from collections.abc import Sequence
from statistics import median

from bench import payloads
from bench.bench import Bench
from bench.report import Result

MARK_MS = 0.4


def first_byte(bench: Bench) -> Sequence[Result]:
    rounds, count = (2, 300) if bench.quick else (5, 1000)
    # A stream, as a developer's request is; three events at once, so that the next request is soon due.
    body = payloads.stream(events=3, interval_seconds=0)
    with bench.gateway() as gateway:
        runs = []
        for number in range(rounds):
            bench.progress(f"round {number + 1} of {rounds}")
            runs.append(
                bench.generator.run(
                    "latency", body, "-target", gateway.address, "-upstream", bench.upstream, "-count", str(count)
                )
            )
    direct = median(run["direct_p50_ns"] for run in runs) / 1e6
    through = median(run["target_p50_ns"] for run in runs) / 1e6
    added = median((run["target_p50_ns"] - run["direct_p50_ns"]) / 1e6 for run in runs)
    p99 = median(run["target_p99_ns"] for run in runs) / 1e6
    notes = [f"p99 through the gateway {p99:.2f} ms"]
    if errors := sum(run["errors"] for run in runs):
        notes.append(f"{errors} ERRORS, such as {next(run['examples'] for run in runs if run['errors'])}")
    return [
        Result(
            row="first-byte",
            work="added time to first byte, median",
            ours=f"{added:.2f} ms",
            other=f"direct {direct:.2f} ms, through {through:.2f} ms",
            mark=f"<= {MARK_MS} ms",
            met=added <= MARK_MS,
            notes=tuple(notes),
            measured={"added_ms": added, "direct_ms": direct, "through_ms": through, "p99_ms": p99},
        )
    ]
