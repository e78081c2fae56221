"""`claude-gateway operator` as a process that is measured, and what it says of itself."""

import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.api_server import OPERATOR, ApiServer
from tests.cluster.audit_log import Asked, AuditLog

from bench.processes import MeasurementError, Process, free_port, running

NAMESPACE = "claude-gateway-system"
_PREFIX = "claude_gateway_operator_"


class Operator:
    """One run of it, beside an API server with an audit log."""

    def __init__(self, process: Process, port: int, log: AuditLog) -> None:
        self.process = process
        self._port = port
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def metric(self, name: str) -> float:
        """Of a metric without labels, or with them as they stand in the text; 0 while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{_PREFIX}{name} ")), 0.0)

    @property
    def rounds(self) -> float:
        """Resyncs that are done."""
        return self.metric('resyncs_total{result="success"}')

    def wait_for_rounds(self, rounds: float, *, seconds: float) -> None:
        self.process.until(lambda: self.rounds >= rounds, seconds=seconds, every=0.2)

    def wait_for_rest(self, *, seconds: float, quiet: float = 3.0) -> None:
        """Until nothing was written for some seconds: statuses and events follow a round."""
        until, last = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() - last < quiet:
            if self.writes():
                last = time.monotonic()
            if time.monotonic() > until:
                raise MeasurementError(f"the operator still writes after {seconds:.0f} s: {self.process.complaint()}")
            time.sleep(0.2)

    def writes(self) -> list[Asked]:
        """Those since the last look, the Lease aside."""
        return self._log.writes(user=OPERATOR)

    def memory(self) -> "Memory":
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        found = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in status if line.startswith("Vm")}
        return Memory(found["VmRSS"] / 1e6, found["VmHWM"] / 1e6)


class Memory:
    """Resident megabytes of a process: now, and the most it ever had."""

    def __init__(self, now: float, most: float) -> None:
        self.now = now
        self.most = most


@contextlib.contextmanager
def operator(server: ApiServer, *, folder: Path, core: int, resync_seconds: int = 600) -> Iterator[Operator]:
    """Started when the block begins; killed at its end, so the next one waits until the Lease is over or is the same
    holder, as a restarted container is."""
    port = free_port()
    command = [
        Path(sys.executable).parent / "claude-gateway",
        "operator",
        f"--kubeconfig={server.operator_kubeconfig}",
        f"--operator-namespace={NAMESPACE}",
        "--identity=bench",
        f"--listen=127.0.0.1:{port}",
        f"--resync-seconds={resync_seconds}",
    ]
    log = server.audit_log
    log.skip()
    with running(Process(command, core=core, log=folder / f"operator-{os.getpid()}-{port}.log")) as process:
        yield Operator(process, port, log)
