"""The load program: built from `load/`, run on the core that is not measured."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import configuration, payloads
from bench.processes import MeasurementError, Process, running

SOURCE = Path(__file__).with_name("load")
BINARY = SOURCE.parent.parent / "build" / "bench" / "load"


def build() -> Path:
    """The program, built anew when its source changed. Raises MeasurementError without a Go compiler."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        raise MeasurementError("the load generator is a Go program: install Go 1.22 or newer, or put it on PATH")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(
        [go, "build", "-o", str(BINARY), "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        raise MeasurementError(f"the load generator does not build: {built.stderr.strip()}")
    return BINARY


class Generator:
    def __init__(self, *, folder: Path, core: int) -> None:
        self._program = build()
        self._folder = folder
        self._core = core
        self._runs = 0

    def upstream(self) -> tuple[Process, str]:
        """The stand-in upstream and its address."""
        process = Process(
            [self._program, "upstream"], core=self._core, log=self._folder / "upstream.log", stdout=subprocess.PIPE
        )
        line = process.output.readline()
        if not line:
            process.kill()
            raise MeasurementError(f"the upstream does not start: {process.complaint()}")
        return process, json.loads(line)["listening"]

    def run(
        self,
        mode: str,
        body: bytes,
        *options: str,
        credential: str = configuration.KEY,
        on: Callable[[dict[str, Any]], None] | None = None,
    ) -> Any:
        """Runs the program and gives its last report; `on` is called with each report as it comes. `credential`: what
        the clients present as bearer."""
        last: Any = None
        with self.started(mode, body, *options, credential=credential) as process:
            for line in process.output:
                last = json.loads(line)
                if on is not None:
                    on(last)
            if process.finished(seconds=10) != 0 or last is None:
                raise MeasurementError(f"the load generator failed: {process.complaint()}")
        return last

    @contextlib.contextmanager
    def started(self, mode: str, body: bytes, *options: str, credential: str = configuration.KEY) -> Iterator[Process]:
        self._runs += 1
        request = self._folder / f"request-{self._runs}.json"
        request.write_bytes(body)
        arguments: list[str | Path] = [self._program, mode, "-body", request, *options]
        for header in payloads.headers(credential):
            arguments += ["-header", header]
        log = self._folder / f"load-{self._runs}.log"
        with running(Process(arguments, core=self._core, log=log, stdout=subprocess.PIPE)) as process:
            yield process


def watching(pids: Sequence[int]) -> tuple[str, str]:
    """The option that has the CPU time of these processes measured."""
    return "-pids", ",".join(map(str, pids))
