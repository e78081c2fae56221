"""Tokens that CI jobs and pods have already."""

import base64
import json
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.proxy.identity.clients import Clock, Rerouted
from tests.standins.identity_provider import IdentityProvider, private_key, signed

from gateway_config.callers import Caller
from gateway_config.contract import WorkloadIssuer, WorkloadRule
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity import workloads
from gateway_proxy.identity.authentication import Authentication
from gateway_proxy.identity.oidc.fetched import PAUSE_SECONDS
from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.workloads import SKEW_SECONDS, WorkloadTokens

AUDIENCE = "https://claude.corp.example"
PROD = WorkloadRule(
    match={"repository_owner": "corp", "environment": "prod"}, user="ci:{repository}", groups=("ci", "prod")
)
ANY = WorkloadRule(match={"repository_owner": "corp"}, user="ci:{repository}")
CLAIMS = {"repository": "corp/app", "repository_owner": "corp", "environment": "prod", "ref": "refs/heads/main"}


def issuer(idp: IdentityProvider, *rules: WorkloadRule, **members: Any) -> WorkloadIssuer:
    given = {"name": "github", "issuer": idp.issuer, "audience": AUDIENCE, "rules": rules or (PROD, ANY)}
    return WorkloadIssuer(**given | members)


async def found(tokens: WorkloadTokens, presented: str) -> Principal | None:
    answer = tokens.find(presented)
    return await answer if isinstance(answer, Awaitable) else answer


async def caller(tokens: WorkloadTokens, presented: str) -> Caller:
    principal = await found(tokens, presented)
    assert principal is not None
    assert principal.caller is not None
    return principal.caller


async def refusal(tokens: WorkloadTokens, presented: str) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await found(tokens, presented)
    error = caught.value
    assert error.headers.get("x-should-retry") == "false" or error.status == 503
    assert presented not in error.message
    return error


@pytest.fixture
def tokens(idp: IdentityProvider, out: Rerouted) -> WorkloadTokens:
    return WorkloadTokens([issuer(idp)], out)


async def test_whom_a_token_stands_for(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    principal = await found(tokens, idp.workload_token(AUDIENCE, **CLAIMS))
    assert principal is not None
    assert principal.caller == Caller(user="ci:corp/app", groups=frozenset({"ci", "prod"}), workload="github")
    assert principal.audit_fields == {"auth": "workload_token", "sub": "ci:corp/app", "workload": "github"}
    assert abs((principal.expires or 0) - time.time() - 300) < 30


async def test_the_first_rule_that_matches_decides(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    assert (await caller(tokens, idp.workload_token(AUDIENCE, **CLAIMS | {"environment": "dev"}))).groups == frozenset()
    assert (await caller(tokens, idp.workload_token(AUDIENCE, **CLAIMS | {"environment": None}))).groups == frozenset()


@pytest.mark.parametrize("claims", [{"repository_owner": "evil"}, {"repository_owner": "Corp"}, {}])
async def test_a_token_that_no_rule_speaks_of(
    idp: IdentityProvider, tokens: WorkloadTokens, claims: dict[str, str]
) -> None:
    error = await refusal(tokens, idp.workload_token(AUDIENCE, repository="corp/app", **claims))
    assert (error.status, error.reason) == (401, "WorkloadTokenUnmatched")
    assert "no rule of this gateway" in error.message


@pytest.mark.parametrize(
    ("match", "claims", "matched"),
    [
        ({"/kubernetes.io/namespace": "ci"}, {"kubernetes.io": {"namespace": "ci"}}, True),
        ({"/kubernetes.io/namespace": "ci"}, {"kubernetes.io": {"namespace": "dev"}}, False),
        ({"ref_protected": "true"}, {"ref_protected": True}, True),
        ({"ref_protected": "true"}, {"ref_protected": "true"}, True),
        ({"ref_protected": "true"}, {"ref_protected": False}, False),
        ({"project_id": "42"}, {"project_id": 42}, True),
        ({"groups_direct": "corp/eng"}, {"groups_direct": ["corp/all", "corp/eng"]}, True),
        ({"groups_direct": "corp/eng"}, {"groups_direct": "corp/eng-but-not"}, False),
        ({"owner": "corp"}, {"owner": {"corp": True}}, False),
        ({"owner": ""}, {"owner": None}, False),
        ({"owner": "None"}, {}, False),
    ],
)
async def test_what_a_rule_matches(
    idp: IdentityProvider, out: Rerouted, match: dict[str, str], claims: dict[str, Any], matched: bool
) -> None:
    tokens = WorkloadTokens([issuer(idp, WorkloadRule(match=match, user="ci:{sub}"))], out)
    token = idp.workload_token(AUDIENCE, **claims)
    if matched:
        assert (await caller(tokens, token)).user == "ci:repo:corp/app"
    else:
        assert (await refusal(tokens, token)).reason == "WorkloadTokenUnmatched"


@pytest.mark.parametrize(
    ("user", "made"),
    [
        ("ci", "ci"),
        ("{sub}", "repo:corp/app"),
        ("{repository}@{environment}", "corp/app@prod"),
        ("sa:{/kubernetes.io/serviceaccount/name}", "sa:runner"),
        ("{number}", "7"),
        ("{}-{sub}", "{}-repo:corp/app"),
    ],
)
async def test_the_user_id_that_a_rule_makes(idp: IdentityProvider, out: Rerouted, user: str, made: str) -> None:
    tokens = WorkloadTokens([issuer(idp, WorkloadRule(match={"repository_owner": "corp"}, user=user))], out)
    claims = {**CLAIMS, "kubernetes.io": {"serviceaccount": {"name": "runner"}}, "number": 7}
    assert (await caller(tokens, idp.workload_token(AUDIENCE, **claims))).user == made


@pytest.mark.parametrize(
    "claims", [{"ref": None}, {"ref": ""}, {"ref": ["main"]}, {"ref": "a\nb"}, {"ref": "x" * 600}, {"ref": "a\u202eb"}]
)
async def test_a_user_id_that_cannot_be_made(idp: IdentityProvider, out: Rerouted, claims: dict[str, Any]) -> None:
    tokens = WorkloadTokens([issuer(idp, WorkloadRule(match={"repository_owner": "corp"}, user="ci:{ref}"))], out)
    error = await refusal(tokens, idp.workload_token(AUDIENCE, **CLAIMS | claims))
    assert error.reason == "WorkloadTokenInvalid"
    assert error.message.isprintable()


async def test_a_branch_cannot_make_a_colleague_of_a_job(idp: IdentityProvider, out: Rerouted) -> None:
    tokens = WorkloadTokens([issuer(idp, WorkloadRule(match={"repository_owner": "corp"}, user="{ref}"))], out)
    made = await caller(tokens, idp.workload_token(AUDIENCE, **CLAIMS | {"ref": "cfo@corp.example"}))
    assert made.user == "cfo@corp.example"
    assert made.email_address is None


def unsigned(claims: dict[str, Any]) -> str:
    return signed({"alg": "none"}, claims, None)


@pytest.mark.parametrize(
    ("claims", "header", "reason", "said"),
    [
        ({"aud": "https://other.example"}, {}, "WorkloadTokenAudience", f"audience {AUDIENCE}"),
        ({"aud": None}, {}, "WorkloadTokenInvalid", "no audience"),
        ({"aud": f"{AUDIENCE}/"}, {}, "WorkloadTokenAudience", AUDIENCE),
        ({"exp": 1_700_000_000}, {}, "WorkloadTokenExpired", "get a new one for each run"),
        ({"exp": None}, {}, "WorkloadTokenInvalid", "exp"),
        ({"nbf": 4_000_000_000}, {}, "WorkloadTokenInvalid", "not valid yet"),
        ({}, {"kid": "unknown"}, "WorkloadTokenInvalid", "no such key"),
        ({}, {"alg": "none"}, "WorkloadTokenInvalid", "algorithm"),
        ({}, {"alg": "HS256"}, "WorkloadTokenInvalid", "algorithm"),
    ],
)
async def test_who_is_refused(
    idp: IdentityProvider,
    tokens: WorkloadTokens,
    claims: dict[str, Any],
    header: dict[str, Any],
    reason: str,
    said: str,
) -> None:
    token = idp.workload_token(AUDIENCE, **CLAIMS | claims)
    if header:
        first = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": "first", **header}).encode())
        token = f"{first.rstrip(b'=').decode()}.{token.partition('.')[2]}"
    error = await refusal(tokens, token)
    assert (error.status, error.reason) == (401, reason)
    assert said in error.message


async def test_a_forged_signature(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    now = int(time.time())
    claims = {"iss": idp.issuer, "aud": AUDIENCE, "exp": now + 300, **CLAIMS}
    for forged in (
        signed({"alg": "RS256", "kid": "first"}, claims, private_key("mallory")),
        signed({"alg": "HS256", "kid": "first"}, claims, private_key("first").as_pem(private=False)),
    ):
        assert (await refusal(tokens, forged)).reason == "WorkloadTokenInvalid"


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "cgk_" + "a" * 43,
        "eyJ..",
        "eyJhbGciOiJSUzI1NiJ9.bm90IGpzb24.x",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJé.x.y",
        "a.b.c",
    ],
)
async def test_what_is_no_such_token(tokens: WorkloadTokens, presented: str) -> None:
    assert tokens.find(presented) is None


async def test_the_token_of_an_issuer_that_is_not_configured(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    assert tokens.find(idp.workload_token(AUDIENCE, iss="https://other.example", **CLAIMS)) is None
    assert tokens.find(idp.workload_token(AUDIENCE, iss=idp.issuer + "/", **CLAIMS)) is None
    assert tokens.find(idp.workload_token(AUDIENCE, iss=["x"], **CLAIMS)) is None


async def test_two_audiences_of_one_issuer(idp: IdentityProvider, out: Rerouted) -> None:
    other = issuer(idp, WorkloadRule(match={"repository_owner": "corp"}, user="other"), name="ours", audience="ours")
    tokens = WorkloadTokens([issuer(idp), other], out)
    assert (await caller(tokens, idp.workload_token("ours", **CLAIMS))).workload == "ours"
    both: Any = ["ours", AUDIENCE]
    assert (await caller(tokens, idp.workload_token(both, **CLAIMS))).workload == "github"


async def test_a_verified_token_is_not_verified_again(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    token = idp.workload_token(AUDIENCE, **CLAIMS)
    principal = await found(tokens, token)
    assert tokens.find(token) is principal
    another = tokens.find(idp.workload_token(AUDIENCE, **CLAIMS | {"run": "2"}))
    assert isinstance(another, Principal), "the keys are at hand: nothing to wait for"
    assert (idp.asked("/keys"), idp.asked("/.well-known/openid-configuration")) == (1, 1)


async def test_it_is_good_until_it_expires(idp: IdentityProvider, out: Rerouted) -> None:
    clock = Clock()
    tokens = WorkloadTokens([issuer(idp)], out, now=clock)
    token = idp.workload_token(AUDIENCE, **CLAIMS)
    assert await found(tokens, token)
    clock.ahead = 300 + SKEW_SECONDS + 1
    assert (await refusal(tokens, token)).reason == "WorkloadTokenExpired"


async def test_tokens_do_not_fill_the_memory(
    idp: IdentityProvider, tokens: WorkloadTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workloads, "MAX_VERIFIED", 5)
    first = idp.workload_token(AUDIENCE, **CLAIMS)
    for number in range(12):
        assert await found(tokens, idp.workload_token(AUDIENCE, **CLAIMS | {"run": str(number)}))
    assert len(tokens._verified) == 5
    assert await found(tokens, first)


async def test_an_issuer_that_is_away_is_503_and_back_at_once(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    idp.answers["/keys"] = lambda _: (503, {})
    error = await refusal(tokens, idp.workload_token(AUDIENCE, **CLAIMS))
    assert (error.status, error.reason, error.headers["retry-after"]) == (503, "WorkloadIssuerUnavailable", "3")
    idp.answers.clear()
    tokens._sources[idp.issuer].keys._failed_at -= 10
    assert await found(tokens, idp.workload_token(AUDIENCE, **CLAIMS))


async def test_a_new_key_of_the_issuer(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    assert await found(tokens, idp.workload_token(AUDIENCE, **CLAIMS))
    idp.kids.append("second")
    tokens._sources[idp.issuer].keys._fetched_at -= PAUSE_SECONDS
    assert await found(tokens, idp.workload_token(AUDIENCE, **CLAIMS))
    assert idp.asked("/keys") == 2


async def test_a_reload_keeps_what_is_known(idp: IdentityProvider, out: Rerouted, tokens: WorkloadTokens) -> None:
    token = idp.workload_token(AUDIENCE, **CLAIMS)
    principal = await found(tokens, token)
    same = WorkloadTokens([issuer(idp)], out, previous=tokens)
    assert same.find(token) is principal
    changed = WorkloadTokens([issuer(idp, ANY)], out, previous=same)
    again = changed.find(token)
    assert isinstance(again, Principal), "the rules are other ones, the keys are the same"
    assert again.caller is not None
    assert again.caller.groups == frozenset()
    assert idp.asked("/keys") == 1


async def test_in_either_header_and_in_both(idp: IdentityProvider, tokens: WorkloadTokens) -> None:
    """An apiKeyHelper's value goes into both."""
    token = idp.workload_token(AUDIENCE, **CLAIMS)
    authentication = Authentication([tokens], subscription_passthrough=False)
    for headers in ((f"Bearer {token}", token), (f"Bearer {token}", None), (None, token), ("Bearer other", token)):
        principal = await authentication.principal(*headers)
        assert principal.audit_fields["sub"] == "ci:corp/app"
