"""The configuration that Claude Desktop gets of the policy that decides for its user."""

from typing import Any

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import Manifest, developer_key, key_of, policy, smallest
from tests.standins.raw_client import Response, fetch

BOB = "bob@corp.example"
PATH = "/user/bootstrap"
CONNECTION = {
    "inferenceProvider": "gateway",
    "inferenceGatewayBaseUrl": "https://claude.corp.example",
    "inferenceGatewayAuthScheme": "bearer",
}


def ask(gateway: Gateway, user: str = ALICE) -> Response:
    return fetch(gateway.port, "GET", PATH, headers=[("authorization", f"Bearer {key_of(user)}")])


def world(upstream: AnthropicUpstream, *policies: Manifest) -> list[Manifest]:
    others = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
    return [*others, *policies, developer_key(BOB)]


def test_without_a_desktop_block_there_is_nothing(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(world(upstream, policy("base", settings={"verbose": True})))
    answer = ask(gateway)
    assert (answer.status, answer.error[0]) == (404, "not_found_error")
    line = gateway.audit_of(answer)
    assert (line["event"], line["sub"]) == ("desktop_bootstrap.denied", ALICE)


def test_an_empty_block_turns_it_on(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(world(upstream, policy("base", desktop={})))
    answer = ask(gateway)
    assert (answer.status, answer.json()) == (200, CONNECTION)
    assert answer.header("cache-control") == "private, no-store"
    assert gateway.audit_of(answer)["event"] == "desktop_bootstrap.serve"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"availableModels": ["claude-haiku-5-5"]}, {"inferenceModels": ["claude-haiku-5-5"]}),
        ({"availableModels": []}, {"inferenceModels": []}),
        (
            {"settings": {"permissions": {"deny": ["WebFetch", "Bash(rm:*)", "mcp__jira__write", "WebSearch"]}}},
            {"disabledBuiltinTools": ["WebFetch", "WebSearch"]},
        ),
        (
            {
                "settings": {"permissions": {"deny": ["WebFetch"]}},
                "desktop": {"disabledBuiltinTools": ["computer-use", "WebFetch"]},
            },
            {"disabledBuiltinTools": ["WebFetch", "computer-use"]},
        ),
        (
            {"settings": {"sandbox": {"network": {"allowedDomains": ["a.example"]}}}},
            {"coworkEgressAllowedHosts": ["a.example"]},
        ),
        (
            {
                "settings": {"sandbox": {"network": {"allowedDomains": ["a.example"]}}},
                "desktop": {"coworkEgressAllowedHosts": []},
            },
            {"coworkEgressAllowedHosts": []},
        ),
        (
            {"desktop": {"chatTabEnabled": True, "banner": {"text": "Hi"}, "inferenceModels": ["x"]}},
            {"chatTabEnabled": True, "banner": {"text": "Hi"}, "inferenceModels": ["x"]},
        ),
    ],
)
def test_what_follows_from_the_policy(
    gateway: Gateway, upstream: AnthropicUpstream, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    gateway.load(world(upstream, policy("base", **{"desktop": {}} | given)))
    assert ask(gateway).json() == CONNECTION | expected


def test_a_policy_is_laid_over_the_base_layer(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    base = {"disabledBuiltinTools": ["WebSearch"], "chatTabEnabled": False, "banner": {"text": "Hi"}}
    special = {"disabledBuiltinTools": ["computer-use"], "chatTabEnabled": True}
    bob = policy("bob", matches=[{"users": [BOB]}], desktop=special)
    gateway.load(world(upstream, policy("base", desktop=base), bob))
    assert ask(gateway, ALICE).json() == CONNECTION | base
    assert ask(gateway, BOB).json() == CONNECTION | {
        "disabledBuiltinTools": ["WebSearch", "computer-use"],
        "chatTabEnabled": True,
        "banner": {"text": "Hi"},
    }


def test_it_asks_for_a_caller(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(world(upstream, policy("bob", matches=[{"users": [BOB]}], desktop={})))
    assert fetch(gateway.port, "GET", PATH).status == 401
    assert ask(gateway, ALICE).status == 403
    assert ask(gateway, BOB).status == 200
