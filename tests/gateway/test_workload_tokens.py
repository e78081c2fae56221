"""CI jobs and pods with the token of their own issuer, through a whole gateway."""

from collections.abc import Iterator

import pytest
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE, Gateway
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import Manifest, key_of, policy, smallest
from tests.standins.raw_client import Response, fetch

AUDIENCE = "https://claude.corp.example"
CLAIMS = {"repository": "corp/app", "repository_owner": "corp", "environment": "prod"}
BODY = b'{"model":"claude-haiku-4-5","max_tokens":5,"messages":[]}'


@pytest.fixture(scope="module")
def issuers() -> Iterator[IdentityProvider]:
    with IdentityProvider() as server:
        yield server


@pytest.fixture
def issuer(issuers: IdentityProvider) -> IdentityProvider:
    issuers.begin_test()
    return issuers


def manifests(upstream: AnthropicUpstream, *issuers: str) -> list[Manifest]:
    rule = {"match": {"repository_owner": "corp", "environment": "prod"}, "user": "ci:{repository}", "groups": ["ci"]}
    workloads = [
        {"name": f"ci-{number}", "issuer": issuer, "audience": AUDIENCE, "rules": [rule]}
        for number, issuer in enumerate(issuers)
    ]
    only_haiku = policy("ci", matches=[{"workloads": ["ci-0"], "groups": ["ci"]}], availableModels=["claude-haiku-4-5"])
    return smallest(upstream.url, only_haiku, identity={"workloads": workloads})


def ask(gateway: Gateway, *headers: tuple[str, str], body: bytes = BODY) -> Response:
    given = [("content-type", "application/json"), *headers]
    return fetch(gateway.port, "POST", "/v1/messages", headers=given, body=body)


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def test_a_job_asks_with_its_own_token(gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider) -> None:
    gateway.load(manifests(upstream, issuer.issuer))
    token = issuer.workload_token(AUDIENCE, **CLAIMS)
    for headers in ([bearer(token)], [("x-api-key", token)], [bearer(token), ("x-api-key", token)]):
        answer = ask(gateway, *headers)
        assert answer.status == 200
        assert answer.json()["content"] == messages.message()["content"]
    line = gateway.audit_of(answer)
    assert (line["auth"], line["sub"], line["workload"]) == ("workload_token", "ci:corp/app", "ci-0")
    assert (issuer.asked("/.well-known/openid-configuration"), issuer.asked("/keys")) == (1, 1)
    assert token not in gateway.log_text() + gateway.audit_text() + gateway.metrics_text()
    for sent in upstream.requests:
        assert token not in str(sent.headers)


def test_its_policy_is_that_of_the_workload(
    gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider
) -> None:
    gateway.load(manifests(upstream, issuer.issuer))
    token = issuer.workload_token(AUDIENCE, **CLAIMS)
    refused = ask(gateway, bearer(token), body=BODY.replace(b"haiku-4-5", b"opus-5-5"))
    assert (refused.status, refused.error[0]) == (400, "invalid_request_error")
    assert ask(gateway, bearer(key_of(ALICE)), body=BODY.replace(b"haiku-4-5", b"opus-5-5")).status == 200
    listed = gateway.get("/v1/models", headers=[("x-api-key", token)]).json()["data"]
    assert [model["id"] for model in listed] == ["claude-haiku-4-5-20251001"]


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://other.example"}, "WorkloadTokenAudience"),
        ({"environment": "dev"}, "WorkloadTokenUnmatched"),
        ({"exp": 1_700_000_000}, "WorkloadTokenExpired"),
        ({"exp": None}, "WorkloadTokenInvalid"),
    ],
)
def test_a_token_that_does_not_do_is_401_with_the_way_out(
    gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider, claims: dict[str, str], reason: str
) -> None:
    gateway.load(manifests(upstream, issuer.issuer))
    before = gateway.metric("claude_gateway_refusals_total", reason=reason)
    answer = ask(gateway, bearer(issuer.workload_token(AUDIENCE, **CLAIMS | claims)))
    assert (answer.status, answer.error[0]) == (401, "authentication_error")
    assert answer.header("x-should-retry") == "false"
    assert "ci-0" in answer.error[1]
    line = gateway.audit_of(answer)
    assert (line["event"], line["reason"]) == ("auth.denied", reason)
    assert gateway.metric("claude_gateway_refusals_total", reason=reason) == before + 1


def test_an_issuer_that_is_away_stops_its_own_jobs_alone(
    gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider
) -> None:
    gone = "http://127.0.0.1:1"
    gateway.load(manifests(upstream, issuer.issuer, gone))
    answer = ask(gateway, bearer(issuer.workload_token(AUDIENCE, **CLAIMS, iss=gone)))
    assert (answer.status, answer.error[0], answer.header("retry-after")) == (503, "api_error", "3")
    assert ask(gateway, bearer(issuer.workload_token(AUDIENCE, **CLAIMS))).status == 200
    assert ask(gateway, bearer(key_of(ALICE))).status == 200
    assert any(line.get("event") == "identity.fetch_failed" for line in gateway.logs())


def test_what_is_known_outlives_reloads_and_the_issuer(
    gateway: Gateway, upstream: AnthropicUpstream, issuer: IdentityProvider
) -> None:
    gateway.load(manifests(upstream, issuer.issuer))
    token = issuer.workload_token(AUDIENCE, **CLAIMS)
    assert ask(gateway, bearer(token)).status == 200
    issuer.answers["/keys"] = lambda _: (503, {})
    gateway.load([*manifests(upstream, issuer.issuer), policy("another", matches=[{"groups": ["x"]}])])
    assert ask(gateway, bearer(token)).status == 200
    assert ask(gateway, bearer(issuer.workload_token(AUDIENCE, **CLAIMS, run_id="2"))).status == 200
    assert issuer.asked("/keys") == 1
