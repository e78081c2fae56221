"""How soon an edit is enforced with 1,000 policies, and whether reloads fail a request."""

import http.client
import itertools
import json
import signal
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from bench import configuration, payloads
from bench.bench import Bench
from bench.processes import MeasurementError
from bench.report import Result

POLICIES = 1_000
RELOADS = 100
MARK_SECONDS = 1.0
LONGEST_WAIT = 30.0


def edits(bench: Bench) -> Sequence[Result]:
    return [*_through_up(bench), _through_the_bundle(bench)]


def _through_up(bench: Bench) -> Sequence[Result]:
    alone, loaded = (4, 10) if bench.quick else (20, RELOADS)
    bench.progress(f"`up` with {POLICIES} policies")
    with bench.up(policies=POLICIES) as gateway:
        assert gateway.manifests is not None
        probe = Probe(gateway.address)
        changes = itertools.cycle((False, True))
        time.sleep(1.0)
        bench.progress(f"{alone} edits")
        taken = [probe.edit(gateway.manifests.allow_probe, next(changes)) for _ in range(alone)]
        bench.progress(f"{loaded} edits under load")
        with bench.generator.started(
            "requests", payloads.small(), "-target", gateway.address, "-upstream", bench.upstream,
            "-connections", "16", "-pause", "10ms", "-warmup", "0s", "-duration", "1h",
        ) as load:  # fmt: skip
            time.sleep(0.5)
            began = time.monotonic()
            under_load = [probe.edit(gateway.manifests.allow_probe, next(changes)) for _ in range(loaded)]
            seconds = time.monotonic() - began
            load.signal(signal.SIGINT)
            output = load.communicate(seconds=20)
        lines = output.splitlines()
        if not lines:
            raise MeasurementError(f"the load generator failed: {load.complaint()}")
        run: dict[str, Any] = json.loads(lines[-1])
    failed = run["errors"] + probe.failures
    return [
        Result(
            row="reload",
            work=f"edit to enforced, {POLICIES:,} policies",
            ours=f"{max(taken):.2f} s",
            mark=f"<= {MARK_SECONDS} s",
            met=max(taken) <= MARK_SECONDS,
            notes=(
                f"the longest of {alone} edits; median {median(taken):.2f} s; under load median "
                f"{median(under_load):.2f} s, longest {max(under_load):.2f} s",
            ),
            measured={"longest_seconds": max(taken), "median_seconds": median(taken), "loaded": median(under_load)},
        ),
        Result(
            row="reload",
            work=f"failed requests in {loaded} reloads",
            ours=f"{failed} of {run['requests']:,}",
            mark="0",
            met=failed == 0,
            notes=(
                f"{run['requests'] / run['seconds']:,.0f} requests/s, one reload each {seconds / loaded:.2f} s, "
                f"request p99 {run['p99_ns'] / 1e6:.0f} ms",
                *((f"{run['errors']} ERRORS, such as {run['examples']}",) if run["errors"] else ()),
            ),
            measured={"failed": failed, "requests": run["requests"], "reloads": loaded},
        ),
    ]


def _through_the_bundle(bench: Bench) -> Result:
    """The proxy's share: the bundle is packed and mounted before the clock starts, as the kubelet's swap is."""
    rounds = 4 if bench.quick else 20
    bench.progress(f"the proxy alone, {rounds} bundles")
    with bench.gateway(policies=POLICIES) as gateway:
        assert gateway.config is not None
        probe = Probe(gateway.address)
        mount = configuration.Mount(gateway.config, upstream=bench.upstream, policies=POLICIES)
        changes = itertools.cycle((False, True))
        taken = []
        for sequence in range(2, rounds + 2):
            allowed = next(changes)
            mount.prepare(sequence=sequence, probe_allowed=allowed)
            taken.append(probe.edit(mount.swap, allowed))
    return Result(
        row="reload",
        work="  of that, in the proxy (bundle to enforced)",
        ours=f"{median(taken):.2f} s",
        notes=(f"median of {rounds}, longest {max(taken):.2f} s",),
        measured={"median_seconds": median(taken), "longest_seconds": max(taken)},
    )


class Probe:
    """Asks on one connection, again and again, as the caller whose policy is edited."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=10)
        self._body = payloads.small()
        self._headers = dict(line.split(": ", 1) for line in payloads.headers(configuration.PROBE_KEY))
        self._headers["content-type"] = "application/json"
        self.failures = 0

    def edit(self, change: Callable[[bool], None], allowed: bool) -> float:
        """Seconds from the change on disk to the first answer under it."""
        wanted = 200 if allowed else 400
        began = time.monotonic()
        change(allowed)
        while (status := self._status()) != wanted:
            if status not in (200, 400):
                self.failures += 1
            if time.monotonic() - began > LONGEST_WAIT:
                raise MeasurementError(
                    f"an edit was not enforced in {LONGEST_WAIT:.0f} s: the probe still gets {status}"
                )
            time.sleep(0.002)
        return time.monotonic() - began

    def _status(self) -> int:
        try:
            self._connection.request("POST", "/v1/messages", self._body, self._headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0
        return response.status
