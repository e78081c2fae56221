"""Lines for the person in front of `up`, and the proxy's lines made readable where a person reads them.

A thread writes, from a bounded queue: a terminal that has been stopped (Ctrl-S) or a pipe nobody reads must hold up
neither `up` nor the proxy behind it.
"""

import json
import queue
import threading
import time
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway_operator.compiler.findings import printable

QUEUE_LINES = 2000
CLOSE_SECONDS = 2.0
Part = str | tuple[str, str]
"""Text, or text and its style."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The reader has gone. Rich would end the program; a gateway goes on without its log."""
        self.quiet = True


class Terminal:
    """Writes to standard error; audit lines go to standard output. Use `close` at the end."""

    def __init__(self) -> None:
        self._out = _Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._err = _Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self.renders_audit = self._out.is_terminal
        """Whether audit lines are shown to a person; else standard output belongs to the proxy alone."""
        self._queue: queue.Queue[tuple[Console, Text] | None] = queue.Queue(QUEUE_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="terminal", daemon=True)
        self._thread.start()

    def say(self, *parts: Part) -> None:
        """One line."""
        self._put(self._err, Text.assemble(*parts))

    def error(self, message: str) -> None:
        self.say(("error: ", "bold red"), message)

    def warning(self, message: str) -> None:
        self.say(("warning: ", "bold yellow"), message)

    def audit(self, line: bytes) -> None:
        text = rendered_audit(line)
        if text is not None:
            self._put(self._out, text)

    def log(self, line: bytes) -> None:
        """A line of the proxy's operational log; only what matters to a person where a person reads."""
        if not self._err.is_terminal:
            self._put(self._err, Text(_decoded(line)))
            return
        text = rendered_log(line)
        if text is not None:
            self._put(self._err, text)

    def close(self) -> None:
        """Writes what is queued, for at most CLOSE_SECONDS."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.05)
                break
            except queue.Full:
                if time.monotonic() > deadline:
                    return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _put(self, console: Console, text: Text) -> None:
        try:
            self._queue.put_nowait((console, text))
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._err.print(Text(f"{dropped} lines were not shown: this terminal does not keep up"))
                item[0].print(item[1])
            except (OSError, ValueError):
                # A closed or full file: the same as a reader that has gone.
                continue


def rendered_audit(line: bytes) -> Text | None:
    """An audit line as a person reads it, or None for one that says nothing new to the person in front of `up`. What a
    client wrote cannot steer the terminal."""
    event = _object(line)
    if event is None:
        return Text(_decoded(line))
    who = event.get("email") or event.get("sub") or event.get("key") or "-"
    status = event.get("status")
    parts: list[Part] = [(f"{_clock(event)} ", "dim")]
    if event.get("event") == "inference":
        style = "green" if isinstance(status, int) and status < 400 else "red"
        parts += [(f"{status} ", style), f"{who}  {event.get('model', '-')}"]
        if "upstream" in event:
            parts.append((f" → {event['upstream']}", "dim"))
        parts.append(f"  {_duration(event.get('ms'))}{_tokens(event.get('tokens'))}")
        if event.get("outcome", "completed") != "completed":
            parts.append((f"  {event['outcome']}", "yellow"))
    elif event.get("event") == "config.load":
        return None
    else:
        parts += [
            (f"{status} ", "red"),
            f"{who}  {event.get('event')} {event.get('reason', '')} {event.get('path', '')}",
        ]
    return Text.assemble(
        *(printable(part) if isinstance(part, str) else (printable(part[0]), part[1]) for part in parts)
    )


def rendered_log(line: bytes) -> Text | None:
    """A line of the operational log, or None for one that only a machine wants."""
    record = _object(line)
    if record is None:
        return Text(_decoded(line))
    level = record.get("level")
    if level in ("debug", "info"):
        return None
    style = "yellow" if level == "warning" else "red"
    more = f" ({record['error']})" if "error" in record else ""
    return Text.assemble((f"{_clock(record)} ", "dim"), (f"{level} ", style), f"{record.get('message')}{more}")


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _decoded(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r\n")


def _clock(record: dict[str, Any]) -> str:
    return str(record.get("time", ""))[11:19]


def _duration(milliseconds: object) -> str:
    if not isinstance(milliseconds, int | float):
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _tokens(tokens: object) -> str:
    if not isinstance(tokens, dict):
        return ""
    return f"  {tokens.get('input', 0)} tokens in, {tokens.get('output', 0)} out"
