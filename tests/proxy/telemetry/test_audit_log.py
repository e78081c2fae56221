"""The audit log's writer: whole lines, bounded memory, and a gateway that never waits for it."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy import errors
from gateway_proxy.identity.principal import Principal
from gateway_proxy.spend.usage import Usage
from gateway_proxy.telemetry.audit import (
    MAX_TEXT_CHARACTERS,
    AuditLog,
    _rendered,
    inference_line,
    refusal_line,
)

ALICE = Principal(caller=None, audit_fields={"sub": "alice", "key": "claude/key-alice"})


@pytest.fixture
def sink(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_line_is_written_in_order_before_the_end(sink: Path) -> None:
    with sink.open("wb") as file:
        log = AuditLog(file.fileno())
        for number in range(3000):
            log.write({"event": "inference", "number": number})
        log.close()
    assert [line["number"] for line in lines_of(sink)] == list(range(3000))
    assert lines_of(sink)[0]["time"].endswith("Z")


def test_a_full_queue_loses_lines_and_says_so() -> None:
    reader, writer = os.pipe()
    log = AuditLog(writer, queue_lines=50)
    padding = "x" * MAX_TEXT_CHARACTERS
    count = 2000
    for number in range(count):
        log.write({"event": "inference", "number": number, "padding": padding})
    assert log.dropped > 0
    collected = bytearray()

    def read() -> None:
        while data := os.read(reader, 65536):
            collected.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    log.write({"event": "inference", "number": count})
    log.close()
    os.close(writer)
    thread.join()
    os.close(reader)
    lines = [json.loads(line) for line in bytes(collected).splitlines()]
    told = sum(line["lines"] for line in lines if line["event"] == "audit.dropped")
    written = sum(line["event"] == "inference" for line in lines)
    assert told == log.dropped
    assert written + told == count + 1


def test_a_reader_that_has_gone_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = AuditLog(writer)
    log.write({"event": "inference"})
    log.close()
    os.close(writer)
    assert log.dropped == 1


def test_a_pipe_that_is_full_is_waited_for_by_the_thread_alone() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    log = AuditLog(writer)
    for number in range(1000):
        log.write({"event": "inference", "number": number, "padding": "x" * 400})
    collected = bytearray()
    while collected.count(b"\n") < 1000:
        collected += os.read(reader, 65536)
    log.close()
    os.close(writer)
    os.close(reader)
    assert log.dropped == 0


NASTY = st.text(alphabet=st.characters(codec=None), max_size=40)


@given(st.dictionaries(st.sampled_from(["path", "model", "session_id"]), NASTY))
def test_whatever_clients_send_stays_inside_one_line(values: dict[str, str]) -> None:
    rendered = _rendered(0.0, {"event": "access.denied", **values})
    assert rendered.count(b"\n") == 1
    assert rendered.endswith(b"\n")
    assert json.loads(rendered)["event"] == "access.denied"


def test_long_text_is_cut() -> None:
    assert len(json.loads(_rendered(0.0, {"event": "x", "path": "/" * 10_000}))["path"]) == MAX_TEXT_CHARACTERS


def test_an_inference_line_leaves_out_what_is_not_known() -> None:
    line = inference_line(
        request_id="req",
        principal=ALICE,
        path="/v1/messages",
        model="claude-opus-5-5",
        upstream=None,
        upstream_request_id=None,
        status=502,
        milliseconds=12.345,
        first_byte_milliseconds=None,
        usage=None,
        stream=True,
        session_id=None,
        outcome="upstreams_failed",
    )
    assert line == {
        "event": "inference",
        "request_id": "req",
        "sub": "alice",
        "key": "claude/key-alice",
        "path": "/v1/messages",
        "model": "claude-opus-5-5",
        "status": 502,
        "ms": 12.3,
        "stream": True,
        "outcome": "upstreams_failed",
    }


def test_tokens_by_kind() -> None:
    usage = Usage(1, 2, 3, 4, 5, 6, estimated=True)
    line = inference_line(
        request_id="req",
        principal=ALICE,
        path="/v1/messages",
        model="m",
        upstream="claude/anthropic",
        upstream_request_id="up",
        status=200,
        milliseconds=1,
        first_byte_milliseconds=0.5,
        usage=usage,
        stream=False,
        session_id="s",
    )
    assert line["tokens"] == {
        "input": 1,
        "output": 2,
        "cache_read": 3,
        "cache_write_5m": 4,
        "cache_write_1h": 5,
        "web_searches": 6,
    }
    assert line["tokens_estimated"] is True


def test_refusals_by_kind() -> None:
    denied = refusal_line(errors.invalid_credential(), request_id="r", path="/v1/messages")
    assert denied == {
        "event": "auth.denied",
        "request_id": "r",
        "reason": "InvalidCredential",
        "status": 401,
        "path": "/v1/messages",
    }
    refused = refusal_line(
        errors.model_not_allowed("gpt"), request_id="r", path="/v1/messages", principal=ALICE, model="gpt"
    )
    assert (refused["event"], refused["sub"], refused["model"]) == ("access.denied", "alice", "gpt")
