"""Nobody gets in by accident: keys, policies, and what happens where there is none."""

from typing import Any

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import Manifest, binding, deployment, developer_key, key_of, policy, secret, smallest
from tests.standins.raw_client import Response, fetch

BODY = b'{"model":"claude-sonnet-5-5"}'
BOB = "bob@corp.example"


def ask(gateway: Gateway, *headers: tuple[str, str]) -> Response:
    return fetch(
        gateway.port, "POST", "/v1/messages", headers=[("content-type", "application/json"), *headers], body=BODY
    )


def without_policies(upstream: AnthropicUpstream, *more: Manifest, **spec: Any) -> list[Manifest]:
    key = developer_key(ALICE, "engineering")
    return [deployment(**spec), secret(), binding("anthropic", upstream.url), key, *more]


@pytest.mark.parametrize(
    "headers",
    {
        "nothing": [],
        "an empty bearer": [("authorization", "Bearer ")],
        "another scheme": [("authorization", f"Basic {key_of(ALICE)}")],
        "no scheme": [("authorization", key_of(ALICE))],
        "an unknown key": [("authorization", "Bearer cgk_" + "A" * 43)],
        "a key with a tail": [("authorization", f"Bearer {key_of(ALICE)}x")],
        "a key without its end": [("x-api-key", key_of(ALICE)[:-1])],
        "a key in another case": [("x-api-key", key_of(ALICE).swapcase())],
        "its hash": [("x-api-key", "f" * 64)],
        "not ASCII": [("x-api-key", "cgk_é")],
        "100 KB": [("x-api-key", "c" * 7000)],
        "an Anthropic key": [("x-api-key", "sk-ant-api03-xyz")],
        "a claude.ai login": [("authorization", "Bearer sk-ant-oat01-xyz")],
    }.items(),
    ids=lambda named: str(named[0]),
)
def test_without_a_valid_key_it_is_401(
    gateway: Gateway, upstream: AnthropicUpstream, headers: tuple[str, list[tuple[str, str]]]
) -> None:
    answer = ask(gateway, *headers[1])
    assert (answer.status, answer.error[0]) == (401, "authentication_error")
    assert answer.header("x-should-retry") == "false", "or the client retries for minutes"
    assert upstream.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", f"Bearer {key_of(ALICE)}")],
        [("authorization", f"bearer {key_of(ALICE)}")],
        [("x-api-key", key_of(ALICE))],
        [("authorization", f"Bearer {key_of(ALICE)}"), ("x-api-key", key_of(ALICE))],
        [("authorization", f"Bearer {key_of(ALICE)}"), ("x-api-key", "sk-ant-left-over")],
    ],
)
def test_a_key_counts_in_either_header(gateway: Gateway, headers: list[tuple[str, str]]) -> None:
    assert ask(gateway, *headers).status == 200


def test_no_policy_denies(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(without_policies(upstream))
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (403, "permission_error")
    assert upstream.requests == []
    assert fetch(gateway.port, "GET", "/v1/models", headers=gateway.headers()).status == 403


def test_a_policy_for_others_denies(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(without_policies(upstream, policy("ops", matches=[{"groups": ["ops"]}])))
    assert gateway.messages(BODY).status == 403


def test_access_deny_denies_whom_it_matches(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    denied = policy("leavers", priority=10, access="Deny", matches=[{"users": ["BOB@corp.example"]}])
    gateway.load(smallest(upstream.url, denied, developer_key(BOB, "engineering")))
    assert gateway.messages(BODY, user=BOB).status == 403
    assert gateway.messages(BODY).status == 200


def test_the_first_match_by_priority_decides(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    low = policy("low", priority=1, matches=[{"groups": ["engineering"]}], availableModels=["claude-haiku-5-5"])
    high = policy("high", priority=2, matches=[{"emailDomains": ["corp.example"]}])
    gateway.load(without_policies(upstream, low, high))
    assert gateway.messages(BODY).status == 200
    high["spec"]["priority"] = 0
    gateway.load(without_policies(upstream, low, high))
    assert gateway.messages(BODY).status == 400


def test_a_broken_policy_denies_its_callers_only(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    broken = policy("broken", matches=[{"users": [BOB]}], availableModels="claude-opus-5-5")
    gateway.load(smallest(upstream.url, broken, developer_key(BOB)))
    answer = gateway.messages(BODY, user=BOB)
    assert (answer.status, answer.error[0]) == (403, "permission_error")
    assert gateway.messages(BODY).status == 200


def test_an_expired_key(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(
        smallest(
            upstream.url,
            developer_key(BOB, expires="2020-01-01T00:00:00Z"),
            developer_key("dora@corp.example", expires="2099-01-01T00:00:00Z"),
        )
    )
    answer = gateway.messages(BODY, user=BOB)
    assert answer.status == 401
    assert "expired" in answer.error[1]
    assert gateway.messages(BODY, user="dora@corp.example").status == 200


def test_developer_keys_can_be_switched_off(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, identity={"developerKeys": {"enabled": False}}))
    assert gateway.messages(BODY).status == 401


def test_a_group_that_keys_may_not_claim(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    manifests = without_policies(
        upstream,
        policy("admins", matches=[{"groups": ["admins"]}]),
        developer_key(BOB, "admins"),
        identity={"developerKeys": {"allowedGroups": ["engineering"]}},
    )
    gateway.load(manifests)
    assert gateway.messages(BODY, user=BOB).status in (401, 403)
