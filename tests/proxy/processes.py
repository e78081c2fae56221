"""A real `claude-gateway-proxy` on free ports, told apart by the line in which it says where it listens."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.standins.raw_client import Response, fetch

PROGRAM = str(Path(sys.executable).with_name("claude-gateway-proxy"))
DEADLINE = 20.0
ANYWHERE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")


class ProxyProcess:
    """The process and what it has said so far."""

    def __init__(self, *arguments: str, stdout: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
        )
        self.logs: list[dict[str, Any]] = []
        self.raw_log: list[bytes] = []
        self.audit: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._read_log, daemon=True)]
        if stdout == subprocess.PIPE:
            self._threads.append(threading.Thread(target=self._read_audit, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.raw_log.append(line)
            with self._changed:
                self.logs.append(json.loads(line))
                self._changed.notify_all()

    def _read_audit(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.audit.append(json.loads(line))
                self._changed.notify_all()

    def wait_for(self, condition: Callable[[], Any], *, what: str) -> Any:
        """The first true value of `condition`; looked at with each line, and often in between."""
        end = time.monotonic() + DEADLINE
        with self._changed:
            while not (value := condition()):
                assert time.monotonic() < end, f"never saw {what}; the log: {self.logs}"
                self._changed.wait(0.02)
        return value

    def event(self, name: str) -> dict[str, Any]:
        """The newest log line of this event; waits for the first."""
        found: dict[str, Any] = self.wait_for(
            lambda: next((line for line in reversed(self.logs) if line.get("event") == name), None), what=name
        )
        return found

    def port(self, listener: str = "listen") -> int:
        return int(self.event("listening")[listener].rpartition(":")[2])

    def get(self, path: str, *, listener: str = "listen", **headers: str) -> Response:
        return fetch(self.port(listener), "GET", path, headers=list(headers.items()))

    def status(self) -> dict[str, Any]:
        value: dict[str, Any] = self.get("/status", listener="admin").json()
        return value

    def until_ready(self) -> None:
        self.wait_for(lambda: self.get("/readyz").status == 200, what="readiness")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_status(self) -> int:
        status = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        return status

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


@contextmanager
def proxy(directory: Path, *arguments: str, stdout: int = subprocess.PIPE) -> Iterator[ProxyProcess]:
    """A proxy that follows `directory`, on free ports; ended with the block. Fails on a traceback in its log."""
    process = ProxyProcess("--config", str(directory), *ANYWHERE, *arguments, stdout=stdout)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
        process.exit_status()
        for stream in (process.process.stdout, process.process.stderr):
            if stream is not None:
                stream.close()
    assert b"Traceback" not in b"".join(process.raw_log)
