"""Vertex AI with tokens of Google Cloud: whose they are, and what becomes of requests and streams without one."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.providers.behind_tokens import behind
from tests.providers.google_cloud import EMAIL, MODELS_USER, GoogleCloud, running
from tests.standins import framing, messages
from tests.standins.foundry import API_KEY, FoundryStandIn
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import cloud_binding, secret
from tests.standins.token_endpoints.google import Metadata, refused
from tests.standins.upstream import Gate
from tests.standins.vertex_ai import PROJECT, REGION

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')


@pytest.fixture
def google() -> Iterator[GoogleCloud]:
    with running() as cloud:
        cloud.begin_test()
        yield cloud
        assert cloud.problems == []


@pytest.fixture
def start(own_gateway: Gateway, google: GoogleCloud) -> Callable[..., Gateway]:
    def started(**room: object) -> Gateway:
        own_gateway.load(google.manifests(**room))
        own_gateway.start()
        return own_gateway

    return started


def whose(google: GoogleCloud) -> str:
    """The identity behind the last request."""
    return google.project.tokens[(google.vertex.last.header("authorization") or "").removeprefix("Bearer ")]


def test_the_service_account_of_the_file(start: Callable[..., Gateway], google: GoogleCloud) -> None:
    gateway = start()
    for body in BODY, STREAMED, BODY:
        assert gateway.messages(body).status == 200
    assert whose(google) == EMAIL
    assert len(google.oauth.asked) == 1


def test_one_that_is_impersonated(start: Callable[..., Gateway], google: GoogleCloud) -> None:
    gateway = start(impersonate=MODELS_USER)
    assert gateway.messages(BODY).status == 200
    assert whose(google) == MODELS_USER


def test_the_pod_s_own(own_gateway: Gateway, google: GoogleCloud) -> None:
    google.tokens.add(Metadata(google.project))
    room = {"projectID": PROJECT, "region": REGION, "baseURL": google.vertex.base_url, "podIdentity": {}}
    own_gateway.load(behind(google.tokens, cloud_binding("vertex", "VertexAI", vertexAI=room)))
    own_gateway.start(environment={"GCE_METADATA_HOST": google.tokens.url.removeprefix("http://")})
    assert own_gateway.messages(BODY).status == 200
    assert whose(google) == Metadata.EMAIL


def test_a_request_waits_for_the_first_token(own_gateway: Gateway, google: GoogleCloud) -> None:
    google.oauth.open.clear()
    own_gateway.load(google.manifests())
    own_gateway.start()
    client = own_gateway.begin(BODY)
    eventually(lambda: google.oauth.asked, what="the token asked for")
    assert google.vertex.requests == []
    google.oauth.open.set()
    assert client.head().status == 200
    assert len(google.oauth.asked) == 1


def test_one_that_expires_is_renewed_ahead_of_its_end(start: Callable[..., Gateway], google: GoogleCloud) -> None:
    google.oauth.seconds = 4
    gateway = start()
    eventually(lambda: len(google.project.tokens) >= 2, what="a second token, with nobody asking")
    assert gateway.messages(BODY).status == 200
    eventually(lambda: gateway.metric("claude_gateway_credential_renewals_total") >= 2, what="the metric")


def test_a_stream_outlives_its_token_and_the_token_endpoint(start: Callable[..., Gateway], google: GoogleCloud) -> None:
    google.oauth.seconds = 2
    gateway = start()
    gate, events = Gate(), messages.events()
    google.vertex.script(
        framing.stream_head(), framing.chunk(events[0]), gate, *map(framing.chunk, events[1:]), framing.LAST_CHUNK
    )
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == events[0]
    google.oauth.fails = lambda asked: (503, b"")
    answer = eventually(lambda: (found := gateway.messages(BODY)).status != 200 and found, what="the last token's end")
    assert (answer.status, answer.error[0]) == (502, "api_error")
    assert PROJECT not in f"{answer.headers}{answer.body!r}"
    failed = len(google.vertex.requests)
    assert gateway.messages(STREAMED).status == 502
    assert len(google.vertex.requests) == failed, "nothing is sent without a token"
    gate.open()
    assert b"".join(client.pieces()) == b"".join(events[1:])
    google.oauth.fails, google.oauth.seconds = None, 3600
    eventually(lambda: gateway.messages(BODY).status == 200, what="an answer with a new token")


def test_another_upstream_answers_while_there_is_no_token(own_gateway: Gateway, google: GoogleCloud) -> None:
    google.oauth.fails = lambda asked: refused(400, "invalid_grant", f"the key of {EMAIL} is disabled")
    with FoundryStandIn() as foundry:
        room = {"baseURL": foundry.base_url, "apiKeySecretRef": {"name": "foundry", "key": "value"}}
        second = [secret("foundry", API_KEY), cloud_binding("foundry", "Foundry", priority=-1, foundry=room)]
        own_gateway.load([*google.manifests(), *second])
        own_gateway.start()
        for body in BODY, STREAMED:
            answer = own_gateway.messages(body)
            assert answer.status == 200
            line = own_gateway.audit_of(answer)
            assert (line["upstream"], line["why"]) in {
                ("claude/foundry", "Failover"),
                ("claude/foundry", "CoolingDown"),
            }
            assert EMAIL not in f"{answer.headers}{answer.body!r}"
        assert foundry.problems == []
    assert google.vertex.requests == []
    assert EMAIL in own_gateway.log_of("credential.failed")["message"]


def test_no_secret_is_told_of(start: Callable[..., Gateway], google: GoogleCloud) -> None:
    gateway = start()
    gateway.messages(BODY)
    google.oauth.fails = lambda asked: refused(400, "invalid_grant", json.dumps(asked.form))
    gateway.load(google.manifests("another"))
    gateway.log_of("credential.failed")
    said = gateway.log_text() + gateway.audit_text() + gateway.metrics_text()
    assert [token for token in google.project.tokens if token in said] == []
    assert "PRIVATE KEY" not in said
    assert google.oauth.asked[-1].form["assertion"] not in said
