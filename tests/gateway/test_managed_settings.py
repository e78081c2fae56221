"""The managed settings that a client gets of the policy that decides for it (gateway case 24)."""

import hashlib
import json
from typing import Any

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.framing import Headers
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import developer_key, key_of, policy, smallest
from tests.standins.raw_client import Response, fetch

BOB, CAROL, DAVE = "bob@corp.example", "carol@corp.example", "dave@corp.example"
PATH = "/managed/settings"


def ask(gateway: Gateway, user: str = ALICE, *, headers: Headers = (), method: str = "GET") -> Response:
    return fetch(gateway.port, method, PATH, headers=[("authorization", f"Bearer {key_of(user)}"), *headers])


@pytest.fixture
def settled(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    """Alice falls to the base layer, Bob to a policy upon it, Carol to an empty document, Dave to nothing."""
    deny = {"permissions": {"deny": ["WebFetch"]}, "env": {"A": "base", "B": "base"}}
    gateway.load(
        [
            *(one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"),
            policy("everyone", matches=[{"users": [ALICE]}], settings=deny),
            policy("base", settings={"cleanupPeriodDays": 7}, availableModels=["claude-haiku-5-5"]),
            policy("bob", matches=[{"users": [BOB]}], settings=deny | {"spinner": {"z": 1.0, "a": "ünï"}}),
            developer_key(BOB),
            developer_key(CAROL),
        ]
    )
    return gateway


def test_the_document_is_the_merged_one_with_the_models_in_it(settled: Gateway) -> None:
    answer = ask(settled, BOB)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.json()["settings"] == {
        "permissions": {"deny": ["WebFetch"]},
        "env": {"A": "base", "B": "base"},
        "spinner": {"z": 1, "a": "ünï"},
        "cleanupPeriodDays": 7,
        "availableModels": ["claude-haiku-5-5"],
    }
    assert ask(settled, CAROL).json()["settings"] == {
        "cleanupPeriodDays": 7,
        "availableModels": ["claude-haiku-5-5"],
    }


def test_the_checksum_is_that_of_the_sorted_settings(settled: Gateway) -> None:
    document = ask(settled, BOB).json()
    assert set(document) == {"uuid", "checksum", "settings"}
    text = json.dumps(document["settings"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert document["checksum"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert ask(settled, BOB).json() == document, "the same document has the same name"
    assert ask(settled, ALICE).json()["uuid"] != document["uuid"]


def test_304_is_for_whoever_has_the_document(settled: Gateway) -> None:
    etag = ask(settled, BOB).header("etag")
    assert etag == f'"{ask(settled, BOB).json()["checksum"]}"'
    for value in (etag, f"W/{etag}", f'"x", {etag}'):
        answer = ask(settled, BOB, headers=[("if-none-match", value)])
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", etag)
    for value in ("*", '"sha256:0"', etag.strip('"'), "", '"' * 6000):
        answer = ask(settled, BOB, headers=[("if-none-match", value)])
        assert (answer.status, answer.header("etag")) == (200, etag)
    assert ask(settled, ALICE, headers=[("if-none-match", etag)]).status == 200


def test_no_settings_and_empty_settings_are_not_the_same(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, policy("empty", matches=[{"users": [BOB]}], settings={}), developer_key(BOB)))
    answer = ask(gateway, ALICE)
    assert (answer.status, answer.error[0]) == (404, "not_found_error")
    assert ask(gateway, BOB).json()["settings"] == {}
    assert gateway.metric("claude_gateway_refusals_total", reason="NoManagedSettings") >= 1


def test_an_edit_is_served_with_the_next_request(settled: Gateway, upstream: AnthropicUpstream) -> None:
    before = ask(settled, ALICE)
    settled.load(smallest(upstream.url, policy("new", matches=[{"users": [ALICE]}], settings={"verbose": True})))
    after = ask(settled, ALICE, headers=[("if-none-match", before.header("etag") or "")])
    assert (after.status, after.json()["settings"]) == (200, {"verbose": True})


def test_it_asks_for_a_caller_that_a_policy_knows(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(
        [
            *(one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"),
            policy("bob", matches=[{"users": [BOB]}], settings={"verbose": True}, access="Deny"),
            developer_key(BOB),
        ]
    )
    assert fetch(gateway.port, "GET", PATH).status == 401
    assert (ask(gateway, BOB).status, ask(gateway, ALICE).status) == (403, 403)
    assert ask(gateway, BOB, method="POST").status == 405
    (first, *_) = gateway.wait_for_audit(2, "access.denied")
    assert (first["path"], first["reason"]) == (PATH, "AccessDenied")


def test_it_is_told_in_the_audit_log(settled: Gateway) -> None:
    answer = ask(settled, BOB)
    known = ask(settled, BOB, headers=[("if-none-match", answer.header("etag") or "")])
    line: dict[str, Any] = settled.audit_of(answer)
    assert line["event"] == "managed.serve"
    assert line["client"] == "127.0.0.1"
    assert (line["sub"], line["policy"], line["status"]) == (BOB, "claude/bob", 200)
    assert line["checksum"] == answer.json()["checksum"]
    assert settled.audit_of(known)["status"] == 304


def test_audit_lines_can_be_left_to_others(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(upstream.url, audit={"stdout": False}))
    silent = ask(gateway)
    gateway.load(smallest(upstream.url))
    heard = ask(gateway)
    gateway.audit_of(heard)
    assert silent.header("x-request-id") not in [line.get("request_id") for line in gateway.audit()]
