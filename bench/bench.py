"""One run of benchmarks: its cores, scratch folder, load generator and upstream."""

import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import subjects
from bench.generator import Generator
from bench.processes import Cores
from bench.providers import Provider


@dataclass
class Bench:
    folder: Path
    cores: Cores
    generator: Generator
    upstream: str
    quick: bool
    gateway_command: str
    _row: str = ""
    _began: float = field(default_factory=time.monotonic)
    _folders: int = 0

    def begin(self, row: str) -> None:
        self._row = row

    def progress(self, text: str) -> None:
        elapsed = time.monotonic() - self._began
        print(f"{elapsed:5.0f} s  {self._row}: {text}", file=sys.stderr, flush=True)

    def scratch(self) -> Path:
        self._folders += 1
        folder = self.folder / str(self._folders)
        folder.mkdir()
        return folder

    @contextlib.contextmanager
    def gateway(
        self, *, policies: int = 20, dead_first: str | None = None, provider: Provider | None = None
    ) -> Iterator[subjects.Subject]:
        subject = subjects.gateway(
            upstream=self.upstream,
            folder=self.scratch(),
            core=self.cores.subject,
            command=self.gateway_command,
            policies=policies,
            dead_first=dead_first,
            provider=provider,
        )
        with _stopping(subject):
            yield subject

    @contextlib.contextmanager
    def up(self, *, policies: int) -> Iterator[subjects.Subject]:
        with _stopping(
            subjects.up(upstream=self.upstream, folder=self.scratch(), core=self.cores.subject, policies=policies)
        ) as subject:
            yield subject

    @contextlib.contextmanager
    def baseline(self) -> Iterator[subjects.Subject]:
        with _stopping(
            subjects.baseline(upstream=self.upstream, folder=self.scratch(), core=self.cores.subject)
        ) as subject:
            yield subject

    @contextlib.contextmanager
    def nginx(self) -> Iterator[subjects.Subject]:
        with _stopping(
            subjects.nginx(upstream=self.upstream, folder=self.scratch(), core=self.cores.subject)
        ) as subject:
            yield subject


@contextlib.contextmanager
def _stopping(subject: subjects.Subject) -> Iterator[subjects.Subject]:
    try:
        yield subject
    finally:
        subject.stop()


@contextlib.contextmanager
def bench(*, quick: bool, gateway_command: str) -> Iterator[Bench]:
    """Builds the generator and starts the upstream. Raises MeasurementError."""
    cores = Cores.available()
    raise_open_files()
    # Audit lines of a fast relay fill megabytes a second: memory where there is some, so that no disk is measured.
    shared = Path("/dev/shm")
    place = shared if shared.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="claude-gateway-bench-", dir=place) as name:
        folder = Path(name)
        folder.chmod(0o755)
        generator = Generator(folder=folder, core=cores.load)
        process, upstream = generator.upstream()
        try:
            yield Bench(folder, cores, generator, upstream, quick, gateway_command)
        finally:
            process.kill()


def raise_open_files() -> None:
    """2,000 streams take 4,000 sockets; children inherit the limit."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
