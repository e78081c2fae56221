"""The proxy's lines as a person reads them, on a terminal that may not keep up."""

import json
import os
import sys
import time

import pytest

from gateway_operator.local.terminal import QUEUE_LINES, Terminal, rendered_audit, rendered_log

INFERENCE = {
    "time": "2026-11-24T00:14:08.123Z",
    "event": "inference",
    "sub": "u-1",
    "email": "alice@corp.example",
    "model": "claude-haiku-5-5",
    "status": 200,
    "ms": 1234.5,
    "outcome": "completed",
    "upstream": "claude/anthropic",
    "tokens": {"input": 12, "output": 345},
}


def audit(**changes: object) -> str | None:
    text = rendered_audit(json.dumps(INFERENCE | changes).encode())
    return text.plain if text is not None else None


def test_an_inference() -> None:
    expected = "00:14:08 200 alice@corp.example  claude-haiku-5-5 → claude/anthropic  1.2 s  12 tokens in, 345 out"
    assert audit() == expected
    assert str(audit(outcome="client_gone")).endswith("  client_gone")


def test_a_refusal() -> None:
    line = {"event": "auth.denied", "status": 401, "reason": "InvalidCredential", "path": "/v1/messages"}
    text = rendered_audit(json.dumps(line | {"time": INFERENCE["time"]}).encode())
    assert text is not None
    assert text.plain == "00:14:08 401 -  auth.denied InvalidCredential /v1/messages"


def test_a_client_cannot_steer_the_terminal() -> None:
    line = {"event": "access.denied", "status": 404, "path": "/\x1b[2J\x9b2J\udcff"}
    text = rendered_audit(json.dumps(line).encode())
    assert text is not None
    assert text.plain.isprintable()


def test_what_is_no_json_is_shown_as_it_is() -> None:
    for line in (b"Traceback (most recent call last):\n", b"[1]\n", b"\xff\n"):
        for render in (rendered_audit, rendered_log):
            text = render(line)
            assert text is not None
            assert text.plain == line.decode(errors="replace").rstrip()


def test_the_log_of_a_person_holds_what_went_wrong() -> None:
    record = {"time": INFERENCE["time"], "level": "warning", "message": "upstream slow"}
    text = rendered_log(json.dumps(record).encode())
    assert text is not None
    assert text.plain == "00:14:08 warning upstream slow"
    assert rendered_log(json.dumps(record | {"level": "info"}).encode()) is None


def test_a_terminal_that_nobody_reads_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        terminal = Terminal()
        begun = time.monotonic()
        for number in range(5 * QUEUE_LINES):
            terminal.say(f"{number} " + "x" * 200)
        assert time.monotonic() - begun < 10
        terminal.close()
        assert time.monotonic() - begun < 20
        os.close(read)
        terminal.close()
        monkeypatch.undo()
        # What is left in the pipe's buffer has to go somewhere when it is closed.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a descriptor is wanted
            os.dup2(nowhere.fileno(), pipe.fileno())
