"""What every container on the node has said since the tests began, also those that are gone since."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER = Path("/var/log/pods")
LOOK_SECONDS = 0.2
_STAMP = re.compile(rb"^\S+ std(?:out|err) [FP] ", re.MULTILINE)
"""What containerd writes before each line."""
_REFUSED = re.compile(r"is forbidden: User |denied request")
"""By RBAC, or by an admission policy."""


class PodLogs:
    """Follows the files in which the kubelet keeps the logs; a file that is removed has been read by then, but for what
    came in the last moment of a pod that was deleted by force."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._texts: dict[str, bytearray] = {}
        self._refused: list[tuple[str, str]] = []
        self._excused = threading.Event()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pod logs", daemon=True)

    def __enter__(self) -> Self:
        with self._lock:
            # an earlier run's
            self._read = {path: path.stat().st_size for path in self._files()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    def texts(self, prefix: str) -> dict[str, str]:
        """By container (`NAMESPACE_POD_UID/CONTAINER/N.log`), of the namespaces that begin so."""
        self._look()
        with self._lock:
            return {
                name: _STAMP.sub(b"", bytes(text)).decode(errors="replace")
                for name, text in self._texts.items()
                if name.startswith(prefix)
            }

    def refused(self) -> list[tuple[str, str]]:
        """Lines, each with its container, that tell of a request for which an account had not the right."""
        self._look()
        with self._lock:
            return list(self._refused)

    @contextmanager
    def refusals_excused(self) -> Iterator[None]:
        """While a test takes the operator's rights away on purpose, `refused` takes no notice."""
        self._look()
        self._excused.set()
        try:
            yield
        finally:
            self._look()
            self._excused.clear()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self._look()

    def _files(self) -> list[Path]:
        """Folders may go while we look: os.walk, unlike glob, takes no offence."""
        return [
            Path(folder, name) for folder, _, names in os.walk(self._folder) for name in names if name.endswith(".log")
        ]

    def _look(self) -> None:
        with self._lock:
            for path in self._files():
                try:
                    self._follow(path)
                except FileNotFoundError:
                    continue

    def _follow(self, path: Path) -> None:
        begin = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(begin)
            new = file.read()
        # only whole lines: the rest comes with its end
        new = new[: new.rfind(b"\n") + 1]
        if not new:
            return
        self._read[path] = begin + len(new)
        name = str(path.relative_to(self._folder))
        self._texts.setdefault(name, bytearray()).extend(new)
        if not self._excused.is_set():
            lines = _STAMP.sub(b"", new).decode(errors="replace").splitlines()
            self._refused += [(name, line) for line in lines if _REFUSED.search(line)]
