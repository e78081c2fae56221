"""`forwardUserIdentity`: an upstream is told who asks, where its binding says so; a client cannot say it itself."""

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.foundry import API_KEY as FOUNDRY_KEY
from tests.standins.foundry import FoundryStandIn
from tests.standins.gateway import Gateway
from tests.standins.manifests import (
    binding,
    cloud_binding,
    deployment,
    developer_key,
    policy,
    secret,
    serving,
)
from tests.standins.upstream import StandInUpstream

BODY = b'{"model":"claude-sonnet-5-5"}'
ALICE = "alice@corp.example"
NAMES = {"x-claude-gateway-user-id", "x-claude-gateway-user-email", "x-litellm-end-user-id"}
FORGED = [(name, "mallory@corp.example") for name in sorted(NAMES)]


def nothing_else_against(standin: StandInUpstream) -> None:
    """A careful provider holds every header against a gateway that it does not know."""
    told = [problem.rpartition(": ")[2] for problem in standin.problems]
    for request in standin.requests:
        request.problems.clear()
    assert set(told) <= {f"header {name} must not be forwarded" for name in NAMES}


def test_an_upstream_is_not_told_unless_its_binding_says_so(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.messages(BODY, headers=FORGED)
    assert not NAMES & upstream.last.names


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_it_is_told_the_caller_s_id_and_email(gateway: Gateway, upstream: AnthropicUpstream, path: str) -> None:
    gateway.load(serving(secret(), binding("anthropic", upstream.url, forwardUserIdentity=True)))
    assert gateway.messages(BODY, target=path, headers=FORGED).status == 200
    assert {name: upstream.last.all(name) for name in NAMES} == {name: [ALICE] for name in NAMES}
    nothing_else_against(upstream)


def test_an_id_that_no_header_can_carry_is_percent_encoded(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    user = "Jörg 100% (ops)"
    gateway.load(
        [
            deployment(),
            secret(),
            binding("anthropic", upstream.url, forwardUserIdentity=True),
            policy("everyone"),
            developer_key(user) | {"metadata": developer_key(ALICE)["metadata"]},
        ]
    )
    assert gateway.messages(BODY, user=user).status == 200
    assert upstream.last.header("x-claude-gateway-user-id") == "J%C3%B6rg%20100%25%20(ops)"
    assert "x-claude-gateway-user-email" not in upstream.last.names
    nothing_else_against(upstream)


def test_a_cloud_is_told_too(gateway: Gateway) -> None:
    with FoundryStandIn() as foundry:
        room = {"baseURL": foundry.base_url, "apiKeySecretRef": {"name": "foundry", "key": "value"}}
        told = cloud_binding("foundry", "Foundry", foundry=room, forwardUserIdentity=True)
        gateway.load(serving(secret("foundry", FOUNDRY_KEY), told))
        assert gateway.messages(BODY).status == 200
        assert foundry.last.header("x-claude-gateway-user-id") == ALICE
        nothing_else_against(foundry)
