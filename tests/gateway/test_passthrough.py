"""Subscription pass-through: a developer's own claude.ai login goes to the Anthropic API untouched."""

from collections.abc import Iterator

import pytest
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.foundry import API_KEY as FOUNDRY_KEY
from tests.standins.foundry import FoundryStandIn
from tests.standins.gateway import Gateway
from tests.standins.manifests import Manifest, binding, cloud_binding, policy, secret, serving, smallest
from tests.standins.raw_client import Response, fetch
from tests.standins.requests_seen import Expected

TOKEN = "sk-ant-oat01-developers-own"
BETA = "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14"
ENABLED = {"identity": {"subscriptionPassthrough": True}}


def ask(gateway: Gateway, model: str = "claude-sonnet-5-5") -> Response:
    headers = [("authorization", f"Bearer {TOKEN}"), ("anthropic-beta", BETA), ("content-type", "application/json")]
    return fetch(
        gateway.port, "POST", "/v1/messages?beta=true", headers=headers, body=b'{"model":"%b"}' % model.encode()
    )


def test_enabled_the_login_and_its_beta_reach_the_upstream(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, **ENABLED))
    upstream.expected = [Expected.oauth(TOKEN)]
    answer = ask(gateway)
    assert answer.status == 200
    assert upstream.last.header("anthropic-beta") == BETA
    line = gateway.audit_of(answer)
    assert "sub" not in line
    assert TOKEN not in gateway.audit_text() + gateway.log_text()


def test_disabled_it_is_refused(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    answer = ask(gateway)
    assert (answer.status, answer.error[0]) == (401, "authentication_error")
    assert upstream.requests == []


def test_a_developer_key_still_uses_the_organization_s_credential(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    gateway.load(smallest(upstream.url, **ENABLED))
    assert gateway.messages(b'{"model":"claude-sonnet-5-5"}').status == 200


@pytest.mark.parametrize(
    ("policies", "status"),
    [
        ([policy("everyone", availableModels=["claude-haiku-5-5"])], 400),
        ([policy("engineers", matches=[{"groups": ["engineering"]}])], 403),
        ([], 403),
    ],
)
def test_only_the_base_layer_counts(
    gateway: Gateway, upstream: AnthropicUpstream, policies: list[Manifest], status: int
) -> None:
    others = [one for one in smallest(upstream.url, **ENABLED) if one["kind"] != "GatewayPolicy"]
    gateway.load([*others, *policies])
    assert ask(gateway).status == status
    assert upstream.requests == []


@pytest.fixture
def cloud() -> Iterator[FoundryStandIn]:
    with FoundryStandIn() as server:
        yield server


def cloud_first(cloud: FoundryStandIn, *others: Manifest) -> list[Manifest]:
    room = {"baseURL": cloud.base_url, "apiKeySecretRef": {"name": "foundry", "key": "value"}}
    first = cloud_binding("foundry", "Foundry", 10, foundry=room)
    return serving(secret("foundry", FOUNDRY_KEY), first, *others, **ENABLED)


def test_an_upstream_of_the_organization_s_credential_alone_is_never_asked_for_it(
    gateway: Gateway, upstream: AnthropicUpstream, cloud: FoundryStandIn
) -> None:
    """Nobody but Anthropic can tell whether it is a login at all."""
    gateway.load(cloud_first(cloud))
    answer = ask(gateway)
    assert (answer.status, answer.error[0]) == (403, "permission_error")
    assert "ANTHROPIC_AUTH_TOKEN" in answer.error[1]
    gateway.load(cloud_first(cloud, secret(), binding("anthropic", upstream.url)))
    upstream.expected = [Expected.oauth(TOKEN)]
    assert ask(gateway).status == 200
    assert cloud.requests == []


def test_a_login_that_anthropic_refuses_goes_nowhere_else(
    gateway: Gateway, upstream: AnthropicUpstream, cloud: FoundryStandIn
) -> None:
    manifests = cloud_first(cloud, secret(), binding("anthropic", upstream.url, priority=20))
    gateway.load(manifests)
    upstream.expected = [Expected.oauth(TOKEN)]
    upstream.respond = lambda request: [framing.error_answer(401, "authentication_error", "OAuth token is invalid")]
    assert ask(gateway).status == 401
    assert cloud.requests == []
    assert gateway.messages(b'{"model":"claude-sonnet-5-5"}').status == 200, "a gateway's key moves on"
    upstream.requests.clear()
