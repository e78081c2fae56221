"""Two minutes without the API server: what developers notice, and how soon the operator has caught up."""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from tests.control_plane.pods import kubelet
from tests.faults.outages import Outage

from bench import fleet
from bench.bench import Bench
from bench.report import Result

SECONDS, SECONDS_QUICK = 120.0, 20.0


def away(bench: Bench) -> Sequence[Result]:
    """One operator is refused its connections, the other meets silence; both are started anew when they end."""
    seconds = SECONDS_QUICK if bench.quick else SECONDS
    folder = bench.scratch()
    with fleet.api_server() as server, ExitStack() as stack:
        node = stack.enter_context(kubelet(server, folder=folder))
        outages = {kind: Outage(stack, server, node, folder, kind=kind) for kind in ("refused", "silent")}
        bench.progress(f"{seconds:.0f} s without an API server")
        for each in outages.values():
            each.begin()
        until = time.monotonic() + seconds
        for each in outages.values():
            each.change()
        time.sleep(max(0.0, until - time.monotonic()))
        for each in outages.values():
            each.end()
        back = time.monotonic()
        caught_up = {}
        for kind, each in outages.items():
            each.wait_until_caught_up()
            caught_up[kind] = time.monotonic() - back
            each.hush()
    answers = [status for each in outages.values() for status in each.answers]
    failed = sum(status != 200 for status in answers)
    return [
        Result(
            row="outage",
            work=f"API server away for {seconds:.0f} s: requests that failed",
            ours=f"{failed} of {len(answers)}",
            mark="0",
            met=failed == 0,
            notes=(
                "changes of that time were in force "
                + ", ".join(f"{taken:.1f} s ({kind})" for kind, taken in caught_up.items())
                + " after it was back, a restart of the operator included",
            ),
            measured={"failed": failed, "asked": len(answers), **caught_up},
        )
    ]
