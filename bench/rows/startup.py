"""From `claude-gateway up` to ready on one core, and what the proxy then holds."""

import time
from collections.abc import Sequence
from statistics import median

from bench.bench import Bench
from bench.processes import MeasurementError, resident_bytes
from bench.report import Result

MARK_SECONDS, MARK_MB = 1.5, 110


def to_ready(bench: Bench) -> Sequence[Result]:
    rounds = 2 if bench.quick else 7
    seconds, proxy_bytes, all_bytes = [], [], []
    # The first start writes byte code and fills the page cache; an installation does that once.
    for number in range(rounds + 1):
        bench.progress(f"start {number} of {rounds}" if number else "a first start, not counted")
        with bench.up(policies=3) as gateway:
            if number == 0:
                continue
            seconds.append(gateway.seconds_to_ready)
            time.sleep(1.0)
            pids = gateway.pids()
            proxy = pids[1:]
            if not proxy:
                raise MeasurementError("`claude-gateway up` has no process below it, so which is the proxy?")
            proxy_bytes.append(resident_bytes(proxy, "Rss"))
            all_bytes.append(resident_bytes(pids))
    taken, resident = median(seconds), median(proxy_bytes) / 1e6
    return [
        Result(
            row="startup",
            work="`up` to ready on one core",
            ours=f"{taken:.2f} s",
            mark=f"<= {MARK_SECONDS} s",
            met=taken <= MARK_SECONDS,
            notes=(f"shortest {min(seconds):.2f} s, longest {max(seconds):.2f} s of {rounds}",),
            measured={"seconds": taken, "longest_seconds": max(seconds)},
        ),
        Result(
            row="startup",
            work="resident memory of the proxy at rest",
            ours=f"{resident:.0f} MB",
            mark=f"<= {MARK_MB} MB",
            met=resident <= MARK_MB,
            notes=(f"`up` and the proxy together, shared pages counted once: {median(all_bytes) / 1e6:.0f} MB",),
            measured={"proxy_mb": resident, "together_mb": median(all_bytes) / 1e6},
        ),
    ]
