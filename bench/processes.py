"""Processes pinned to a core, and what they use."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class MeasurementError(Exception):
    """Something that a row needs is missing or broken; the message says what and the way out."""


@dataclass(frozen=True)
class Cores:
    subject: int
    load: int

    @classmethod
    def available(cls) -> "Cores":
        if not hasattr(os, "sched_getaffinity"):
            raise MeasurementError("the benchmarks pin processes to cores and read /proc: run them on Linux")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise MeasurementError("two cores are needed: one for what is measured, one for the load")
        return cls(subject=cores[0], load=cores[1])


class Process:
    """A child process in a group of its own, on one core, ended with everything it started."""

    def __init__(
        self, command: Sequence[str | Path], *, core: int, log: Path, stdout: IO[Any] | int | None = None
    ) -> None:
        self.command = [str(part) for part in command]
        self._log = log
        own = os.sched_getaffinity(0)
        # A child inherits the affinity; set here, no wrapper program lies between us and the pid.
        os.sched_setaffinity(0, {core})
        try:
            with log.open("ab") as errors:
                self._popen = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=errors if stdout is None else stdout, stderr=errors,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise MeasurementError(f"{self.command[0]} does not start: {error}") from error
        finally:
            os.sched_setaffinity(0, own)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> Any:
        return self._popen.stdout

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def communicate(self, *, seconds: float) -> str:
        """What the process writes until its end."""
        output, _ = self._popen.communicate(timeout=seconds)
        return output.decode() if output else ""

    def finished(self, *, seconds: float) -> int:
        return self._popen.wait(timeout=seconds)

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    queue += [int(child) for child in children.read_text().split()]
        return found

    def until(self, ready: Callable[[], bool], *, seconds: float = 20, every: float = 0.005) -> None:
        """Waits for `ready`. Raises MeasurementError with the log's end when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._popen.poll() is not None:
                raise MeasurementError(f"{self.command[0]} ended with {self._popen.returncode}: {self.complaint()}")
            if time.monotonic() > deadline:
                raise MeasurementError(f"{self.command[0]} was not ready in {seconds:.0f} s: {self.complaint()}")
            time.sleep(every)

    def complaint(self) -> str:
        return self._log.read_text(errors="replace")[-600:].strip() or "it said nothing"

    def kill(self) -> None:
        """Ends the whole group at once: nothing measured here needs a farewell, and a drain takes its time."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str, *, status: int = 200) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == status
    except OSError:
        return False


def cpu_seconds(pids: Sequence[int]) -> float:
    """Time on a core, user and system, of all threads, by the scheduler's own count (no ticks)."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(path.read_text().split()[0])
    return total / 1e9


def resident_bytes(pids: Sequence[int], field: str = "Pss") -> int:
    """Resident memory: `Pss` counts a page shared by several processes in parts, `Rss` in full."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1]) * 1024
    return total
