"""A developer's machine that an organization manages: the client, its managed settings, and its screens in a terminal.

The client reads managed settings from /etc/claude-code alone, so it runs in a mount namespace of its own in which /etc
is overlaid; nothing outside changes. The names in /etc/hosts are those known outside, also where that file is mounted.
Linux; without root the kernel must allow user namespaces.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.client.claude_code import ANSWER_SECONDS, Answer

PACKAGES = Path(__file__).parents[1] / "packages"
COLUMNS, LINES = 120, 50
SCREEN_SECONDS = 60
LISTEN_SECONDS = 3.0
"""After a key that nothing came of, before it is pressed again."""
_OVERLAY = """
set -e
mount -t tmpfs tmpfs {scratch}
mkdir {scratch}/upper {scratch}/work
cp /etc/hosts {scratch}/hosts
mount -t overlay overlay -o lowerdir=/etc,upperdir={scratch}/upper,workdir={scratch}/work /etc
cp {scratch}/hosts /etc/hosts
mkdir -p /etc/claude-code
cp {settings} /etc/claude-code/managed-settings.json
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class ManagedMachine:
    """One machine: `folder` holds its home, with the client's login in it from one call to the next."""

    program: Path
    folder: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def credentials(self) -> Path:
        """Where the client keeps its login."""
        return self.home / ".claude" / ".credentials.json"

    def run(self, *arguments: str) -> Answer:
        """The client with these arguments, without a terminal."""
        command, environment = self._command(arguments)
        done = subprocess.run(
            command,
            cwd=self._work(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            env=environment,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """The client's screens."""
        if shutil.which("tmux") is None:
            subprocess.run([PACKAGES, "install", "tmux=tmux"], check=True)
        command, environment = self._command(arguments)
        terminal = Terminal(f"claude-{uuid.uuid4().hex[:12]}")
        clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        terminal.tmux("new-session", "-d", *size, "-c", str(self._work()), shlex.join([*clean, *command]))
        try:
            yield terminal
        finally:
            terminal.tmux("kill-server", check=False)

    def _command(self, arguments: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        scratch, settings = self.folder / "etc", self.folder / "managed-settings.json"
        scratch.mkdir(exist_ok=True)
        settings.write_text(json.dumps(self.settings))
        script = _OVERLAY.format(scratch=shlex.quote(str(scratch)), settings=shlex.quote(str(settings)))
        private = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "BROWSER": "/bin/false",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            **self.environment,
        }
        return [*private, "sh", "-c", script, "sh", str(self.program), *arguments], environment

    def _work(self) -> Path:
        work = self.home / "work"
        work.mkdir(parents=True, exist_ok=True)
        return work


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a person sees and types. `socket`: the tmux server of this terminal alone."""

    socket: str

    def tmux(self, *arguments: str, check: bool = True) -> str:
        command = ["tmux", "-L", self.socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=20).stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", check=False)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, such as `Enter` and `Up`."""
        self.tmux("send-keys", *keys)

    def wait_for(self, *texts: str, within: float = SCREEN_SECONDS) -> str:
        """The screen once one of the texts is on it; a line break on it counts as a space."""
        until = time.monotonic() + within
        while True:
            screen = self.screen()
            if any(text in screen or text in " ".join(screen.split()) for text in texts):
                return screen
            if time.monotonic() >= until:
                wanted = " or ".join(map(repr, texts))
                raise TimeoutError(f"{wanted} did not come on the screen within {within:g} s:\n{screen}")
            time.sleep(0.1)

    def leave(self, text: str) -> None:
        """Presses Enter on the screen with `text` until it is gone: what is pressed before the client listens is
        lost."""
        self.wait_for(text)
        for _ in range(10):
            self.press("Enter")
            if self._gone(text):
                return
        raise TimeoutError(f"{text!r} did not go:\n{self.screen()}")

    def choose(self, option: str) -> None:
        """Moves the selection to an option of a menu and takes it."""
        for _ in range(20):
            screen = self.wait_for(option)
            if any(
                "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}" in line and option in line
                for line in screen.splitlines()
            ):
                self.leave(option)
                return
            self.press("Down")
            time.sleep(0.2)
        raise TimeoutError(f"{option!r} could not be chosen:\n{self.screen()}")

    def _gone(self, text: str) -> bool:
        until = time.monotonic() + LISTEN_SECONDS
        while text in self.screen():
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        return True
