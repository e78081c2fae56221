"""One instance goes while another takes over, behind a balancer that learns of it late: no request is lost."""

import itertools
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Gate
from tests.standins.balancer import Balancer
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import Connection, request_bytes

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
EVENTS = messages.events()
LAG_SECONDS = 1.5


@pytest.fixture
def instances(tmp_path_factory: pytest.TempPathFactory, upstream: AnthropicUpstream) -> Iterator[list[Gateway]]:
    folder: Path = tmp_path_factory.mktemp("instances")
    made = [Gateway(folder / name) for name in ("old", "new")]
    for gateway in made:
        gateway.load(smallest(upstream.url, drain="60s"))
        gateway.start()
    yield made
    for gateway in made:
        gateway.stop()
        gateway.end_test()


class Caller:
    """Keeps its connection as long as it may, and asks on and on."""

    def __init__(self, port: Callable[[], int], gateway: Gateway, *, pause: float) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._port = port
        self._headers = gateway.headers()
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join(20)

    def _run(self) -> None:
        chance = random.Random(1)
        connection: Connection | None = None
        for number in itertools.count():
            try:
                connection = connection or Connection(self._port())
                body = STREAMED if number % 3 == 0 else BODY
                answer = connection.request("POST", "/v1/messages", headers=self._headers, body=body)
            except Exception as error:  # noqa: BLE001 - whatever it is, a client has seen it
                self.failures.append(f"request {number}: {error!r}")
                connection = None
                continue
            if answer.status != 200 or (body is STREAMED and not answer.body.endswith(EVENTS[-1])):
                self.failures.append(f"request {number}: {answer}")
            self.answered += 1
            if answer.header("connection") == "close":
                connection.close()
                connection = None
            if self._over.wait(chance.random() * self._pause):
                break
        if connection is not None:
            connection.close()


def test_no_request_is_refused_or_reset(instances: list[Gateway]) -> None:
    old, new = instances
    with Balancer([old.port, new.port], lag=LAG_SECONDS) as balancer:
        eventually(lambda: len(balancer.rotation) == 2, what="both in rotation")
        callers = [Caller(lambda: balancer.port, old, pause=pause) for pause in (0.0, 0.0, 0.05, 0.2, 1.0, 1.0, 2.0)]
        eventually(lambda: all(caller.answered > 3 for caller in callers), what="every caller at work")
        old.signal("SIGTERM")
        eventually(lambda: balancer.rotation == [new.port], what="the old one out of rotation")
        assert old.running
        assert old.wait_for_exit() == 0
        before = [caller.answered for caller in callers]
        eventually(
            lambda: all(caller.answered > count + 1 for caller, count in zip(callers, before, strict=True)),
            what="every caller at the new one",
        )
        for caller in callers:
            caller.end()
        assert [caller.failures for caller in callers] == [[]] * len(callers)
        assert balancer.unanswered == 0


def test_who_had_a_stream_all_the_while_may_ask_once_more(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Its head came before the drain, so nobody has told this client that the connection is going to end."""
    gateway = own_gateway
    gateway.load(smallest(upstream.url, drain="60s"))
    gateway.start("--drain-accept", "3")
    gate = Gate()
    upstream.script(
        framing.stream_head(), framing.chunk(EVENTS[0]), gate, *map(framing.chunk, EVENTS[1:]), framing.LAST_CHUNK
    )
    stream = gateway.begin(STREAMED)
    assert stream.head().header("connection") is None
    assert stream.event() == EVENTS[0]
    gateway.signal("SIGTERM")
    eventually(lambda: not gateway.answers("/healthz"), what="the listener closed")
    gate.open()
    assert b"".join(stream.pieces()) == b"".join(EVENTS[1:])
    answer = stream.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY)
    assert (answer.status, answer.header("connection")) == (200, "close")
    assert stream.at_end()
    stream.close()
    assert gateway.wait_for_exit() == 0


def test_a_request_that_crosses_the_end_of_an_idle_connection_sees_no_reset(
    own_gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    gateway = own_gateway
    gateway.load(smallest(upstream.url, drain="60s"))
    gateway.start("--drain-accept", "0.5")
    idle = Connection(gateway.port)
    assert idle.request("GET", "/healthz").status == 200
    gateway.signal("SIGTERM")
    # Its end is here, but this client has not looked.
    assert idle.socket.recv(1, socket.MSG_PEEK) == b""
    for _ in range(3):
        idle.send(request_bytes("POST", "/v1/messages", gateway.headers(), BODY))
    assert idle.at_end()
    idle.close()
    assert gateway.wait_for_exit() == 0
