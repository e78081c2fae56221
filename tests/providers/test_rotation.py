"""A Secret is replaced while requests run: none of them notices."""

import itertools
import threading
from collections.abc import Iterator

import pytest
from tests.standins import framing, messages
from tests.standins.foundry import API_KEY, FoundryStandIn
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, cloud_binding, secret, serving
from tests.standins.raw_client import connect
from tests.standins.requests_seen import Expected
from tests.standins.upstream import Gate

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')
ROTATIONS = 5


def with_key(upstream: FoundryStandIn, key: str) -> list[Manifest]:
    room = {"baseURL": upstream.base_url, "apiKeySecretRef": {"name": "foundry", "key": "value"}}
    return serving(secret("foundry", key), cloud_binding("foundry", "Foundry", foundry=room))


@pytest.fixture
def foundry() -> Iterator[FoundryStandIn]:
    with FoundryStandIn() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def gateway(shared_gateway: Gateway, foundry: FoundryStandIn) -> Iterator[Gateway]:
    shared_gateway.begin_test(with_key(foundry, API_KEY))
    yield shared_gateway
    shared_gateway.end_test()


class Clients:
    """Some that ask without end, each on a connection of its own, by turns for a message and for a stream."""

    def __init__(self, gateway: Gateway, count: int) -> None:
        self.failures: list[str] = []
        self.served = 0
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self) -> None:
        """Every one of them has asked anew, and been answered."""
        goal = self.served + 3 * len(self._threads)
        eventually(lambda: self.served >= goal or self.failures, what="requests that were answered")

    def _ask(self) -> None:
        whole = b"".join(messages.events())
        with connect(self._gateway.port) as connection:
            for body in itertools.cycle((BODY, STREAMED)):
                if self._stop.is_set():
                    return
                answer = connection.request("POST", "/v1/messages", headers=self._gateway.headers(), body=body)
                if answer.status != 200 or (body is STREAMED and answer.body != whole):
                    self.failures.append(f"{answer}")
                self.served += 1


def test_a_key_that_is_replaced_fails_no_request(gateway: Gateway, foundry: FoundryStandIn) -> None:
    keys = [API_KEY, *(f"foundry-key-canary-{number}" for number in range(ROTATIONS))]
    foundry.expected = [Expected.api_key(key) for key in keys]
    with Clients(gateway, 4) as clients:
        for key in keys[1:]:
            clients.wait_for_more()
            gateway.load(with_key(foundry, key))
            clients.wait_for_more()
    assert clients.failures == []
    assert list(dict.fromkeys(one.header("x-api-key") for one in foundry.requests)) == keys
    assert all(key not in gateway.log_text() + gateway.audit_text() for key in keys)


def test_a_stream_goes_on_under_the_key_that_it_began_with(gateway: Gateway, foundry: FoundryStandIn) -> None:
    gate, events = Gate(), messages.events()
    foundry.script(
        framing.stream_head(), framing.chunk(events[0]), gate, *map(framing.chunk, events[1:]), framing.LAST_CHUNK
    )
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == events[0]
    foundry.expected = [Expected.api_key("foundry-key-canary-new")]
    gateway.load(with_key(foundry, "foundry-key-canary-new"))
    assert gateway.messages(BODY).status == 200
    gate.open()
    assert b"".join(client.pieces()) == b"".join(events[1:])
