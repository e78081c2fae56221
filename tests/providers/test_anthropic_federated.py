"""The Anthropic API with workload identity federation: the pod's token is exchanged, and requests carry what came."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.providers.behind_tokens import behind
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, binding, cloud_binding, secret
from tests.standins.token_endpoints.anthropic import AnthropicTokens, FederatedMessages, Rule
from tests.standins.token_endpoints.server import TokenServer

BODY = b'{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[]}'
STREAMED = BODY.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')
ORGANIZATION, RULE, ACCOUNT = "6f1d1b7a-2a0e-4b0a-9c67-1f63d3f7f001", "fdrl_01", "svac_01"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.pod-token-canary.c2ln"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def exchange(tokens: TokenServer) -> Iterator[AnthropicTokens]:
    service = tokens.add(AnthropicTokens({RULE: Rule(ORGANIZATION, ACCOUNT, TOKEN)}))
    yield service
    assert service.problems == []


@pytest.fixture
def api(tokens: TokenServer) -> Iterator[FederatedMessages]:
    service = tokens.add(FederatedMessages())
    yield service
    assert service.problems == []


@pytest.fixture
def gateway(own_gateway: Gateway, tokens: TokenServer, exchange: AnthropicTokens, tmp_path: Path) -> Iterator[Gateway]:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    own_gateway.load(manifests(tokens))
    own_gateway.start(environment={"ANTHROPIC_IDENTITY_TOKEN_FILE": str(file)})
    yield own_gateway
    assert "canary" not in own_gateway.log_text() + own_gateway.audit_text() + own_gateway.metrics_text()


def manifests(tokens: TokenServer, **other: object) -> list[Manifest]:
    identity = {"organizationID": ORGANIZATION, "federationRuleID": RULE, "serviceAccountID": ACCOUNT}
    room = {"baseURL": "https://api.anthropic.com", "workloadIdentity": identity}
    return behind(tokens, cloud_binding("anthropic", "Anthropic", anthropic=room, **other))


def test_one_exchange_serves_all_requests(gateway: Gateway, exchange: AnthropicTokens, api: FederatedMessages) -> None:
    assert gateway.messages(BODY).status == 200
    streamed = gateway.messages(STREAMED, headers=[("anthropic-beta", "context-management-2025-06-27")])
    assert streamed.body == b"".join(messages.events())
    assert api.asked[-1].header("anthropic-beta") == "context-management-2025-06-27,oauth-2025-04-20"
    assert len(exchange.asked) == 1
    text = gateway.metrics_text()
    assert 'claude_gateway_credential_renewals_total{upstream="claude/anthropic"} 1.0' in text
    assert 'claude_gateway_credential_failing{upstream="claude/anthropic"} 0.0' in text
    assert 'claude_gateway_credential_expires_timestamp_seconds{upstream="claude/anthropic"}' in text


def test_another_configuration_of_the_binding_lets_no_request_wait(
    gateway: Gateway, tokens: TokenServer, exchange: AnthropicTokens, api: FederatedMessages
) -> None:
    assert gateway.messages(BODY).status == 200
    exchange.open.clear()
    gateway.load(manifests(tokens, timeouts={"firstByte": "50s"}))
    eventually(lambda: len(exchange.asked) == 2, what="the new client asks for a token of its own")
    assert gateway.messages(BODY).status == 200, "with the token from before"
    api.token = "sk-ant-oat01-federated-canary-2"
    exchange.open.set()
    eventually(lambda: gateway.messages(BODY).status == 200, what="the token that came then")


def test_while_exchanges_are_refused_the_token_from_before_serves_on(
    gateway: Gateway, exchange: AnthropicTokens, api: FederatedMessages, tokens: TokenServer
) -> None:
    assert gateway.messages(BODY).status == 200
    exchange.rules.clear()
    gateway.load(manifests(tokens, timeouts={"firstByte": "50s"}))
    told = gateway.log_of("credential.failed")
    assert "api.anthropic.com says invalid_grant (status 401" in told["message"]
    assert (told["upstream"], told["serves_on"], told["level"]) == ("claude/anthropic", True, "warning")
    assert 'claude_gateway_credential_failing{upstream="claude/anthropic"} 1.0' in gateway.metrics_text()
    assert gateway.messages(BODY).status == 200


def test_without_any_token_another_upstream_answers(
    own_gateway: Gateway, tokens: TokenServer, exchange: AnthropicTokens, api: FederatedMessages
) -> None:
    with AnthropicUpstream() as second:
        plain = [binding("second", second.url, priority=-1), secret()]
        own_gateway.load([*manifests(tokens), *plain])
        own_gateway.start(environment={"ANTHROPIC_IDENTITY_TOKEN_FILE": "/nowhere/token"})
        assert own_gateway.messages(BODY).status == 200
        assert second.problems == []
    told = own_gateway.log_of("upstream.failed")
    assert (told["reason"], told["upstream"], told["level"]) == ("Credential", "claude/anthropic", "error")
    assert "the pod's token /nowhere/token cannot be read: FileNotFoundError" in told["message"]
    counted = 'claude_gateway_upstream_attempts_failed_total{reason="Credential",upstream="claude/anthropic"} 1.0'
    assert counted in own_gateway.metrics_text()
    assert exchange.asked + api.asked == []
