"""Running somebody else's program, with a line now and then while it takes long."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

Report = Callable[[str], None]
QUIET_SECONDS = 20.0
"""How long a program may run before a line says that it still does."""
TOLD_LINES = 30
"""Lines of a failed program's output that its error repeats."""


class CommandError(Exception):
    """A program could not be started or ended with an error; the message holds the end of what it said."""


def run(
    command: Sequence[str], *, what: str, report: Report, environment: Mapping[str, str] | None = None
) -> list[str]:
    """The lines that the command printed, errors included. Raises `CommandError`."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise CommandError(f"{what}: {command[0]} cannot be run: {error}") from error
        try:
            while process.poll() is None:
                try:
                    process.wait(QUIET_SECONDS)
                except subprocess.TimeoutExpired:
                    report(f"still at it: {what}, {time.monotonic() - started:.0f} s so far")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    if process.returncode:
        end = "\n".join(lines[-TOLD_LINES:])
        raise CommandError(f"{what}: {command[0]} ended with exit code {process.returncode}:\n{end}")
    return lines
