"""The real Claude Code client: installed from `tests/package-lock.json`, run in a home of its own.

The client is a native program that comes as an optional npm package, so Node is needed for npm only.
`python -m tests.client.claude_code` installs ahead of the tests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.npm_packages import TESTS, installed

ANSWER_SECONDS = 90


def install() -> Path:
    """The client's program, installed first where it is missing or of another version."""
    folder = installed("claude-code", source=TESTS)
    programs = [*folder.glob("node_modules/@anthropic-ai/claude-code-*/claude")]
    if len(programs) != 1:
        sys.exit(f"npm installed no client for this platform (or several): {programs}")
    return programs[0]


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
        with self.asking(prompt, *arguments, base_url=base_url, environment=environment) as process:
            stdout, stderr = process.communicate(timeout=ANSWER_SECONDS)
            return Answer(process.returncode, stdout, stderr)

    @contextmanager
    def asking(
        self, prompt: str, *arguments: str, base_url: str, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """The same while it runs; at the end it is killed."""
        work = self.home / "work"
        work.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [str(self.program), "-p", prompt, *arguments],
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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
        with process:
            try:
                yield process
            finally:
                process.kill()


if __name__ == "__main__":
    install()
