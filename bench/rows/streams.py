"""Many open streams in one gateway process."""

import time
from collections.abc import Sequence
from typing import Any

from bench import payloads
from bench.bench import Bench
from bench.generator import watching
from bench.processes import MeasurementError, resident_bytes
from bench.report import Result

STREAMS = 2_000
INTERVAL = 0.2
MARK_KB, MARK_DELAY_MS = 60, 30
RAMP, WARMUP = 4.0, 1.0


def two_thousand(bench: Bench) -> Sequence[Result]:
    rounds, seconds = (1, 4.0) if bench.quick else (3, 8.0)
    bench.progress(f"{STREAMS} streams directly to the upstream")
    direct = _streams(bench, bench.upstream, [], seconds=seconds)
    with bench.gateway() as gateway:
        # The first requests fill caches that belong to no stream.
        bench.generator.run(
            "requests", payloads.small(), "-target", gateway.address, "-upstream", bench.upstream,
            "-connections", "4", "-warmup", "0s", "-duration", "500ms",
        )  # fmt: skip
        pids = gateway.pids()
        rest = resident_bytes(pids)
        runs = []
        for number in range(rounds):
            bench.progress(f"{STREAMS} streams through the gateway, round {number + 1} of {rounds}")
            runs.append(_streams(bench, gateway.address, pids, seconds=seconds))
        again = resident_bytes(pids)
    resident = max(run["resident"] for run in runs)
    kilobytes = (resident - rest) / STREAMS / 1000
    expected = sum(run["end"]["expected"] for run in runs)
    lost = expected - sum(run["end"]["received"] for run in runs)
    failed = [run["end"] for run in runs if run["end"]["errors"]]
    measured = sorted((run["measured"] for run in runs), key=lambda each: each["p99_ns"])[len(runs) // 2]
    delay, beside = measured["p99_ns"] / 1e6, direct["measured"]["p99_ns"] / 1e6
    rate = measured["events"] / measured["seconds"]
    busy = measured["cpu_ns"] / measured["seconds"] / 1e9
    errors = tuple(f"{end['errors']} ERRORS, such as {end['examples']}" for end in failed)
    return [
        Result(
            row="streams",
            work="2,000 streams: events lost",
            ours=f"{lost:,} of {expected:,}",
            other=f"direct {direct['end']['expected'] - direct['end']['received']:,}",
            mark="0",
            met=lost == 0 and not failed,
            notes=(f"{rate:,.0f} events/s, {busy:.0%} of a core", *errors),
            measured={"lost": lost, "events_per_second": rate, "core_share": busy},
        ),
        Result(
            row="streams",
            work="2,000 streams: memory each",
            ours=f"{kilobytes:.1f} KB",
            mark=f"<= {MARK_KB} KB",
            met=kilobytes <= MARK_KB,
            notes=(
                f"{rest / 1e6:.0f} MB before, {resident / 1e6:.0f} MB with the streams open, "
                f"{again / 1e6:.0f} MB after their end",
            ),
            measured={"kb_per_stream": kilobytes, "before_mb": rest / 1e6, "open_mb": resident / 1e6},
        ),
        Result(
            row="streams",
            work="2,000 streams: event delay p99",
            ours=f"{delay:.1f} ms",
            other=f"direct {beside:.1f} ms",
            mark=f"<= {MARK_DELAY_MS} ms",
            met=delay <= MARK_DELAY_MS,
            notes=(
                f"the median of {rounds} rounds; in it, median {measured['p50_ns'] / 1e6:.2f} ms, "
                f"longest {measured['max_ns'] / 1e6:.0f} ms",
            ),
            measured={"p99_ms": delay, "p50_ms": measured["p50_ns"] / 1e6, "direct_p99_ms": beside},
        ),
    ]


def _streams(bench: Bench, address: str, pids: Sequence[int], *, seconds: float) -> dict[str, Any]:
    events = round((RAMP + WARMUP + seconds + 2.0) / INTERVAL)
    seen: dict[str, Any] = {"resident": 0}

    def on(report: dict[str, Any]) -> None:
        seen[report["phase"]] = report
        if report["phase"] == "open":
            time.sleep(WARMUP + seconds / 2)
            seen["resident"] = resident_bytes(pids)

    bench.generator.run(
        "streams", payloads.stream(events=events, interval_seconds=INTERVAL), "-target", address,
        "-connections", str(STREAMS), "-events", str(events), "-ramp", f"{RAMP}s", "-warmup", f"{WARMUP}s",
        "-duration", f"{seconds}s", *watching(pids), on=on,
    )  # fmt: skip
    if "measured" not in seen:
        raise MeasurementError(f"{STREAMS} streams were not carried: {seen['end']['examples']}")
    return seen
