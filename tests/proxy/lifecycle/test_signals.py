"""How a process ends."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.proxy import kubelet
from tests.proxy.configurations import ALICE_KEY, configuration, files, upstream
from tests.proxy.processes import ProxyProcess, proxy
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.raw_client import ClosedEarlyError, Connection, request_bytes
from tests.standins.requests_seen import Expected

from gateway_config.contract import Limits

UPSTREAM_KEY = "sk-ant-api03-canary-of-these-tests"
BODY = b'{"model":"claude-sonnet-5-5","stream":true}'
HEADERS = [("x-api-key", ALICE_KEY), ("content-type", "application/json")]
EVENTS = messages.events()


@pytest.fixture
def source() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream(credentials=[Expected.api_key(UPSTREAM_KEY)]) as server:
        yield server


def configured(tmp_path: Path, source: AnthropicUpstream, *, drain: float) -> Path:
    limits = Limits(max_request_bytes=1 << 20, max_buffered_bytes=1 << 24, drain_seconds=drain)
    compiled = configuration(upstreams=(upstream(base_url=source.url),), limits=limits)
    kubelet.project(tmp_path / "config", files(compiled))
    return tmp_path / "config"


def begin_stream(running: ProxyProcess, source: AnthropicUpstream) -> tuple[Connection, Gate]:
    """A stream whose first event has come; the rest comes with the gate."""
    running.until_ready()
    gate = Gate()
    source.script(
        framing.stream_head(), framing.chunk(EVENTS[0]), gate, *map(framing.chunk, EVENTS[1:]), framing.LAST_CHUNK
    )
    client = Connection(running.port())
    client.send(request_bytes("POST", "/v1/messages", HEADERS, BODY))
    assert client.head().status == 200
    assert client.event() == EVENTS[0]
    return client, gate


def refuses_connections(running: ProxyProcess) -> bool:
    try:
        Connection(running.port()).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_idle_process_ends_at_once_on_interrupt(tmp_path: Path, source: AnthropicUpstream) -> None:
    with proxy(configured(tmp_path, source, drain=600)) as running:
        running.until_ready()
        asked = time.monotonic()
        running.signal(signal.SIGINT)
        assert running.exit_status() == 0
        assert time.monotonic() - asked < 4
        assert running.event("drain.end")["streams_cut"] == 0


def test_interrupt_lets_a_stream_end(tmp_path: Path, source: AnthropicUpstream) -> None:
    with proxy(configured(tmp_path, source, drain=600)) as running:
        client, gate = begin_stream(running, source)
        running.signal(signal.SIGINT)
        running.wait_for(lambda: refuses_connections(running), what="the listener closed at once")
        gate.open()
        assert b"".join(client.pieces()) == b"".join(EVENTS[1:])
        client.close()
        assert running.exit_status() == 0
        assert running.event("drain.end")["streams_cut"] == 0


def test_a_stream_beyond_the_limit_is_cut_in_band(tmp_path: Path, source: AnthropicUpstream) -> None:
    with proxy(configured(tmp_path, source, drain=1), "--drain-accept", "0") as running:
        client, _ = begin_stream(running, source)
        running.signal(signal.SIGTERM)
        rest = b"".join(client.pieces())
        assert rest.startswith(b"event: error\ndata: ")
        client.close()
        assert running.exit_status() == 0
        assert running.event("drain.end")["streams_cut"] == 1
        assert running.audit[-1]["outcome"] == "drained"


def test_termination_accepts_for_a_while(tmp_path: Path, source: AnthropicUpstream) -> None:
    with proxy(configured(tmp_path, source, drain=600), "--drain-accept", "1.5") as running:
        client, gate = begin_stream(running, source)
        idle = Connection(running.port())
        assert idle.request("GET", "/healthz").header("connection") is None
        asked = time.monotonic()
        running.signal(signal.SIGTERM)
        running.event("drain.begin")
        answer = running.get("/readyz")
        assert (answer.status, answer.body, answer.header("connection")) == (503, b"draining\n", "close")
        models = running.get("/v1/models", **{"x-api-key": ALICE_KEY})
        assert (models.status, models.header("connection")) == (200, "close")
        assert running.status()["draining"] is True
        running.wait_for(lambda: refuses_connections(running), what="the listener closed")
        assert time.monotonic() - asked > 1.4
        assert idle.at_end()
        idle.close()
        assert running.process.poll() is None
        gate.open()
        assert b"".join(client.pieces()) == b"".join(EVENTS[1:])
        client.close()
        assert running.exit_status() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, source: AnthropicUpstream, second: signal.Signals) -> None:
    with proxy(configured(tmp_path, source, drain=600)) as running:
        client, _ = begin_stream(running, source)
        running.signal(signal.SIGTERM)
        running.event("drain.begin")
        running.signal(second)
        assert running.exit_status() == 1
        assert running.logs[-1]["event"] == "ended"
        with pytest.raises((ClosedEarlyError, ConnectionError)):
            b"".join(client.pieces())
        client.close()


def test_every_audit_line_is_written_before_the_end(tmp_path: Path, source: AnthropicUpstream) -> None:
    with proxy(configured(tmp_path, source, drain=600)) as running:
        running.until_ready()
        with_key = [("x-api-key", "wrong")]
        client = Connection(running.port())
        for _ in range(50):
            assert client.request("GET", "/v1/models", headers=with_key).status == 401
        running.signal(signal.SIGINT)
        assert running.exit_status() == 0
        client.close()
        assert [line["event"] for line in running.audit].count("auth.denied") == 50


def test_without_a_configuration_it_ends_as_well(tmp_path: Path) -> None:
    with proxy(tmp_path / "config", "--drain-accept", "0") as running:
        running.event("config.waiting")
        running.signal(signal.SIGTERM)
        assert running.exit_status() == 0
