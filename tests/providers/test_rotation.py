"""A Secret is replaced while requests run: none of them notices."""

from collections.abc import Iterator

import pytest
from tests.providers.clients import BODY, STREAMED, Clients
from tests.providers.google_cloud import EMAIL, GoogleCloud, key, running
from tests.standins import framing, messages
from tests.standins.foundry import API_KEY, FoundryStandIn
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, cloud_binding, secret, serving
from tests.standins.requests_seen import Expected
from tests.standins.upstream import Gate

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


@pytest.fixture
def google() -> Iterator[GoogleCloud]:
    with running() as cloud:
        cloud.begin_test()
        yield cloud
        assert cloud.problems == []


def test_a_service_account_s_key_file_that_is_replaced_fails_no_request(
    own_gateway: Gateway, google: GoogleCloud
) -> None:
    """As Google advises: a new key is made, the file replaced, the old key deleted."""
    own_gateway.load(google.manifests())
    own_gateway.start()
    with Clients(own_gateway, 4) as clients:
        for number in range(ROTATIONS):
            clients.wait_for_more()
            google.project.keys[EMAIL] = key(f"new-{number}")
            before = len(google.project.tokens)
            own_gateway.load(google.manifests(f"new-{number}"))
            eventually(lambda before=before: len(google.project.tokens) > before, what="a token of the new key")
            newest = f"Bearer {list(google.project.tokens)[-1]}"
            eventually(lambda newest=newest: google.vertex.last.header("authorization") == newest, what="its use")
            clients.wait_for_more()
    assert clients.failures == []
    assert len(google.project.tokens) == ROTATIONS + 1, "one fetch each"
    said = own_gateway.log_text() + own_gateway.audit_text()
    assert "canary-" not in said.replace(google.vertex.project, "")


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
