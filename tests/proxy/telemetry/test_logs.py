"""The operational log: JSON lines, and no secret in any of them."""

import json
import logging
import sys
from typing import Any

import pytest

from gateway_proxy.telemetry.logs import MASK, JsonFormatter, masked


def line(message: str, *values: object, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("gateway_proxy.test", logging.WARNING, __file__, 1, message, values, None)
    record.__dict__.update(extra)
    return rendered(record)


def rendered(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    value: dict[str, Any] = json.loads(text)
    return value


def test_members_stand_beside_the_message() -> None:
    found = line("upstream %s failed", "claude/anthropic", event="upstream.failed", attempts=2)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "warning",
        "logger": "gateway_proxy.test",
        "message": "upstream claude/anthropic failed",
        "event": "upstream.failed",
        "attempts": 2,
    }


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefgh-ijkl",
        "sk-ant-oat01-abcdefgh",
        "cgk_" + "x" * 43,
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc-_",
        "x-api-key: some-other-service",
        "x-amz-security-token:IQoJb3JpZ2luX2VjEJr",
        "assertion eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc-_",
        "http://user:password@proxy.corp:3128",
        "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc",
    ],
)
def test_a_secret_is_masked_wherever_it_comes_from(secret: str) -> None:
    canary = secret.split()[-1] if "KEY" not in secret else "MIIabc"
    canary = "user:password" if "user:" in secret else canary
    for found in (line(f"failed with {secret}"), line("failed with %s", secret), line("failed", error=secret)):
        assert canary not in json.dumps(found)
        assert MASK in json.dumps(found)


def test_a_traceback_is_one_member() -> None:
    try:
        raise ValueError("sk-ant-api03-abcdefgh-ijkl")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    found = rendered(record)
    assert "Traceback" in found["error"]
    assert "abcdefgh" not in found["error"]


def test_text_that_is_no_utf8() -> None:
    assert line("bad \udcff", path="\ud800", thing=object())["message"]


@pytest.mark.parametrize(
    "text", ["claude-sonnet-5-5 is fine", "https://api.example/v1", "a Bearer x", "key: claude/key"]
)
def test_plain_text_stays(text: str) -> None:
    assert masked(text) == text
