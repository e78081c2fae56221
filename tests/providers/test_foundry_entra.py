"""Microsoft Foundry with tokens of Entra: an application's secret, or the pod's own token."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.providers.behind_tokens import behind
from tests.standins import framing, messages
from tests.standins.foundry import FoundryStandIn
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, cloud_binding, secret
from tests.standins.requests_seen import Expected
from tests.standins.token_endpoints.entra import Application, Entra, refused
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import Gate

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')
TENANT, CLIENT = "72f988bf-86f1-41af-91ab-2d7cd011db47", "d3c0ba12-7d11-4c26-9a6b-33ad1a1f1b2c"
SECRET, POD_TOKEN = "client-secret-canary-9d", "eyJhbGciOiJSUzI1NiJ9.pod-token-canary.c2ln"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def entra(tokens: TokenServer) -> Iterator[Entra]:
    application = Application(secret=SECRET, federated_token=POD_TOKEN)
    service = tokens.add(Entra(TENANT, {CLIENT: application}))
    yield service
    assert service.problems == []


@pytest.fixture
def foundry() -> Iterator[FoundryStandIn]:
    with FoundryStandIn() as server:
        server.expected = [bearer(1)]
        yield server
        assert server.problems == []


def bearer(number: int) -> Expected:
    return Expected("authorization", f"Bearer entra-token-canary-{number}")


def with_secret(foundry: FoundryStandIn, value: str = SECRET) -> list[Manifest]:
    application = {
        "tenantID": TENANT,
        "clientID": CLIENT,
        "clientSecretRef": {"name": "entra", "key": "client-secret"},
    }
    room = {"baseURL": foundry.base_url, "entra": application}
    return [secret("entra", value, key="client-secret"), cloud_binding("foundry", "Foundry", foundry=room)]


@pytest.fixture
def gateway(own_gateway: Gateway, tokens: TokenServer, entra: Entra, foundry: FoundryStandIn) -> Gateway:
    own_gateway.load(behind(tokens, *with_secret(foundry)))
    return own_gateway


def assert_nothing_told(gateway: Gateway) -> None:
    said = gateway.log_text() + gateway.audit_text() + gateway.metrics_text()
    assert "canary" not in said


def test_an_application_s_token_is_fetched_once_and_sent(
    gateway: Gateway, foundry: FoundryStandIn, entra: Entra
) -> None:
    gateway.start()
    for body in BODY, STREAMED, BODY:
        assert gateway.messages(body).status == 200
    assert len(entra.exchanges) == 1
    assert_nothing_told(gateway)


def test_the_pod_s_token_is_exchanged(
    own_gateway: Gateway, tokens: TokenServer, entra: Entra, foundry: FoundryStandIn, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(POD_TOKEN)
    room = {"baseURL": foundry.base_url, "podIdentity": {}}
    own_gateway.load(behind(tokens, cloud_binding("foundry", "Foundry", foundry=room)))
    environment = {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
    }
    own_gateway.start(environment=environment)
    assert own_gateway.messages(BODY).status == 200
    assert entra.exchanges[0].form["client_assertion"] == POD_TOKEN
    assert_nothing_told(own_gateway)


def test_a_request_waits_for_the_first_token(gateway: Gateway, foundry: FoundryStandIn, entra: Entra) -> None:
    entra.open.clear()
    gateway.start()
    client = gateway.begin(BODY)
    assert foundry.requests == []
    entra.open.set()
    assert client.head().status == 200
    assert len(entra.exchanges) == 1


def test_without_a_token_the_upstream_is_left_out_at_once(
    gateway: Gateway, foundry: FoundryStandIn, entra: Entra
) -> None:
    entra.fails = lambda asked: refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
    gateway.start()
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (502, "api_error")
    assert "AADSTS7000215" not in f"{answer.headers}{answer.body!r}"
    told = gateway.log_of("credential.failed")["message"]
    assert "AADSTS7000215" in told
    assert "secret" in told
    assert foundry.requests == []
    assert_nothing_told(gateway)


def test_a_stream_runs_on_while_the_token_endpoint_fails(
    gateway: Gateway, tokens: TokenServer, foundry: FoundryStandIn, entra: Entra
) -> None:
    """A rotated secret that is wrong: the token from before serves on."""
    gateway.start()
    gate, events = Gate(), messages.events()
    foundry.script(
        framing.stream_head(), framing.chunk(events[0]), gate, *map(framing.chunk, events[1:]), framing.LAST_CHUNK
    )
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == events[0]
    gateway.load(behind(tokens, *with_secret(foundry, "another-canary")))
    gateway.log_of("credential.failed")
    assert gateway.messages(BODY).status == 200
    assert gateway.messages(STREAMED).body == b"".join(events)
    gate.open()
    assert b"".join(client.pieces()) == b"".join(events[1:])
    entra.applications[CLIENT].secret = "another-canary"
    foundry.expected = [bearer(1), bearer(2)]
    eventually(
        lambda: gateway.messages(BODY).status == 200 and foundry.last.header("authorization") == bearer(2).value,
        what="the token of the new secret",
    )
    assert_nothing_told(gateway)
