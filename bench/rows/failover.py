"""What an upstream that is dead costs, once it cools down behind the next one."""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator, Sequence
from statistics import median

from bench import configuration, payloads
from bench.bench import Bench
from bench.processes import MeasurementError
from bench.report import Result

MARK_MS = 1.0
_PATIENCE_SECONDS = 60.0


def dead_first(bench: Bench) -> Sequence[Result]:
    rounds, count = (2, 300) if bench.quick else (5, 1000)
    body = payloads.stream(events=3, interval_seconds=0)
    with silence() as dead, bench.gateway() as alone, bench.gateway(dead_first=dead) as failing:
        bench.progress("until the dead upstream cools down")
        first = _until_it_cools_down(failing.address)
        added, tails, errors = [], [], 0
        for number in range(rounds):
            bench.progress(f"round {number + 1} of {rounds}")
            medians = {}
            for subject in (alone, failing):
                run = bench.generator.run(
                    "latency", body, "-target", subject.address, "-upstream", bench.upstream, "-count", str(count)
                )
                medians[subject.address] = run["target_p50_ns"] / 1e6
                errors += run["errors"]
                if subject is failing:
                    tails.append(run["target_p99_ns"] / 1e6)
            added.append(medians[failing.address] - medians[alone.address])
    notes = [f"the first request took {first:.1f} s, the time to connect; p99 afterwards {median(tails):.2f} ms"]
    if errors:
        notes.append(f"{errors} ERRORS")
    return [
        Result(
            row="failover",
            work="added by a dead first upstream that cools down, median",
            ours=f"{median(added):.2f} ms",
            mark=f"<= {MARK_MS:g} ms",
            met=median(added) <= MARK_MS and not errors,
            notes=tuple(notes),
            measured={"added_ms": median(added), "p99_ms": median(tails), "first_seconds": first, "errors": errors},
        )
    ]


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """An address where connections are neither taken nor refused: its queue is full, and nobody looks."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield f"127.0.0.1:{address[1]}"


def _until_it_cools_down(address: str) -> float:
    """Asks until answers come at once; seconds that the first one took. Raises MeasurementError."""
    headers = dict(line.split(": ", 1) for line in payloads.headers(configuration.KEY))
    headers["content-type"] = "application/json"
    taken: list[float] = []
    until = time.monotonic() + _PATIENCE_SECONDS
    while not taken or taken[-1] > taken[0] / 2:
        connection = http.client.HTTPConnection(address, timeout=_PATIENCE_SECONDS)
        began = time.monotonic()
        connection.request("POST", "/v1/messages", payloads.small(), headers)
        status = connection.getresponse().status
        taken.append(time.monotonic() - began)
        connection.close()
        if status != 200 or time.monotonic() > until:
            raise MeasurementError(f"the gateway does not pass over a dead upstream: {status} after {taken[-1]:.1f} s")
    return taken[0]
