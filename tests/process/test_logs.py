"""Log lines are JSON, each on one line, and bounded."""

import json
import logging

from gateway_operator.logs import JsonFormatter


def line(message: str, *arguments: object, **more: object) -> dict[str, str]:
    record = logging.LogRecord("gateway_operator.leader", logging.WARNING, "f", 1, message, arguments, None)
    record.__dict__.update(more)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_line_says_when_how_grave_where_and_what() -> None:
    found = line("lost: %s", "why\nso")
    assert (found["level"], found["logger"], found["message"]) == ("warning", "leader", "lost: why\nso")
    assert found["time"].endswith("+00:00")


def test_kopfs_object_is_named() -> None:
    ref = {"kind": "GatewayPolicy", "namespace": "claude", "name": "everyone"}
    assert line("x", k8s_ref=ref)["object"] == "GatewayPolicy claude/everyone"


def test_a_message_that_lists_the_world_is_cut() -> None:
    assert len(line("x" * 1_000_000)["message"]) < 5000
