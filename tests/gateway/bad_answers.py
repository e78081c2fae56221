"""Answers of an upstream that are none, as rows of tables: what it sends, and what comes of it."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Step, stream
from tests.standins.gateway import Gateway
from tests.standins.manifests import Manifest, binding, secret, serving

PAGE = b"<!doctype html><title>Sign in to db-7</title>"
EVENTS = messages.events()
MESSAGE = json.dumps(messages.message()).encode()
ALL_FAILED = 502, "api_error", "all upstreams failed (1 attempted)"
FULL = 529, "overloaded_error", "the upstream is at capacity"
JSON = [("content-type", "application/json")]
UNREADABLE = "with nothing that a client could read"
FAILED = "claude_gateway_upstream_attempts_failed_total"


class Row(NamedTuple):
    script: Iterable[Step]
    status: int
    kind: str
    message: str
    reason: str
    """As the metric has it; empty where it is no failure of the upstream."""
    next: bool = True
    """Whether another upstream is tried."""


def events(*first: bytes) -> list[Step]:
    return stream([*first, *EVENTS])


def page(status: int, kind: str = "text/html") -> bytes:
    return framing.whole(status, PAGE, [("content-type", kind), ("retry-after", "7")])


def packed(data: bytes, *headers: tuple[str, str], encoding: str = "gzip") -> bytes:
    given = [("content-type", "application/json"), ("content-encoding", encoding), *headers]
    return framing.whole(200, data, given)


def error_event(kind: str) -> bytes:
    return messages.event("error", {"type": "error", "error": {"type": kind, "message": "in words"}})


def envelope(kind: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": "in words"}}).encode()


def two(first: AnthropicUpstream, second: AnthropicUpstream) -> list[Manifest]:
    return serving(secret(), binding("anthropic", first.url, priority=10), binding("second", second.url))


def failures(gateway: Gateway) -> dict[str, float]:
    return {
        labels["reason"]: value
        for name, labels, value in gateway.samples()
        if name == FAILED and labels["upstream"] == "claude/anthropic"
    }
