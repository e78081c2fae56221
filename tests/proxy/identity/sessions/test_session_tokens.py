"""What a session token says, and which ones are believed."""

import gc
import time
from collections.abc import Collection
from typing import Any
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.identity.sessions.issuer import (
    ALICE,
    CREDENTIALS,
    PUBLIC_URL,
    opened,
    provider,
    segment,
    signed,
    signing_key,
    with_sign_in,
)

from gateway_config.contract import Match, Policy, Session
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.sessions.signing import NoSigningKeyError, SigningKeys
from gateway_proxy.identity.sessions.tokens import SessionTokens


def tokens(revoked: Collection[str] = (), **members: Any) -> SessionTokens:
    configuration = with_sign_in(**members)
    return SessionTokens(configuration, SigningKeys(configuration.signing_keys, CREDENTIALS), revoked=revoked)


def minted(person: Person = ALICE, *, now: float | None = None, **members: Any) -> str:
    return tokens(**members).mint("ses_1", person, now=time.time() if now is None else now)


def claims(**members: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": PUBLIC_URL,
        "aud": "claude-gateway",
        "sub": "alice",
        "groups": ["engineering"],
        "provider": "corporate",
        "sid": "ses_1",
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in (given | members).items() if value is not None}


def reason(token: str, **members: Any) -> str:
    with pytest.raises(GatewayError) as caught:
        tokens(**members).find(token)
    assert (caught.value.status, caught.value.headers["x-should-retry"]) == (401, "false")
    assert token not in caught.value.message
    return caught.value.reason


def test_what_clients_read_in_a_token() -> None:
    said = opened(minted(now=1000, billing_group_tag="cost-center", session=Session(access_token_seconds=600)))
    assert len(said.pop("jti")) == 16
    assert said == {
        "iss": PUBLIC_URL,
        "aud": "claude-gateway",
        "sub": "alice",
        "email": "alice@corp.example",
        "groups": ["engineering", "everyone"],
        "provider": "corporate",
        "sid": "ses_1",
        "iat": 1000,
        "exp": 1600,
        "billing_group_tag": "cost-center",
    }


def test_whose_a_token_is() -> None:
    known = tokens()
    token = minted()
    principal = known.find(token)
    assert principal is not None
    assert principal.caller is not None
    caller = principal.caller
    assert (caller.user, caller.email, caller.identity_provider) == ("alice", "alice@corp.example", "corporate")
    assert principal.audit_fields["session"] == "ses_1"
    assert known.find(token) is principal, "found again, not verified again"


def test_a_key_that_only_verifies_is_believed_and_one_that_is_gone_is_not() -> None:
    token = minted(signing_keys=(signing_key("k2"),))
    assert opened(token)["sub"] == "alice"
    assert tokens().find(token) is not None
    assert reason(token, signing_keys=(signing_key("k1"), signing_key("k3", "Verify"))) == "SessionUnreadable"


def test_nothing_is_signed_without_a_key_that_signs() -> None:
    with pytest.raises(NoSigningKeyError):
        minted(signing_keys=(signing_key("k2", "Verify"),))


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"exp": 1}, "SessionExpired"),
        ({"exp": None}, "SessionUnreadable"),
        ({"exp": "9999999999"}, "SessionUnreadable"),
        ({"nbf": 9_999_999_999}, "SessionUnreadable"),
        ({"aud": "another"}, "SessionUnreadable"),
        ({"aud": None}, "SessionUnreadable"),
        ({"aud": ["claude-gateway", "another"]}, "SessionUnreadable"),
        ({"iss": "https://other.corp.example"}, "SessionUnreadable"),
        ({"iss": f"{PUBLIC_URL}/"}, "SessionUnreadable"),
        ({"provider": "former"}, "SessionProviderGone"),
        ({"sub": 7}, "SessionUnreadable"),
        ({"groups": "engineering"}, "SessionUnreadable"),
        ({"groups": [["engineering"]]}, "SessionUnreadable"),
        ({"email": ["alice@corp.example"]}, "SessionUnreadable"),
        ({"sid": None}, "SessionUnreadable"),
    ],
)
def test_a_signed_token_that_says_something_else_is_refused(members: dict[str, Any], expected: str) -> None:
    assert reason(signed(claims(**members))) == expected


def test_the_same_claims_are_believed_as_they_should_be() -> None:
    assert tokens().find(signed(claims())) is not None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "k1", "typ": "JWT"},
        {"alg": "RS256", "kid": "k1", "typ": "JWT"},
        {"alg": "ES256", "kid": "k1", "typ": "JWT"},
        {"alg": "none"},
    ],
)
def test_another_algorithm_is_no_session_token(header: dict[str, Any]) -> None:
    assert tokens().find(signed(claims(), header=header)) is None
    assert tokens().find(signed(claims(), header=header).rpartition(".")[0] + ".") is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "HS256", "kid": "k9", "typ": "JWT"},
        {"alg": "HS256", "kid": "../../dev/null", "typ": "JWT"},
        {"alg": "HS256", "kid": "k1", "typ": "JWT", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "kid": "k1", "typ": "JWT", "jwk": {"kty": "oct", "k": "AAAA"}},
    ],
)
def test_a_header_that_is_not_ours_byte_for_byte_is_refused(header: dict[str, Any]) -> None:
    assert reason(signed(claims(), header=header)) == "SessionUnreadable"


def test_another_digest_under_the_same_header_is_refused() -> None:
    assert reason(signed(claims(), digest="sha512")) == "SessionUnreadable"


def test_any_change_to_a_token_is_noticed() -> None:
    token = minted()
    known = tokens()
    for position in range(len(token)):
        for character in ("A", "B", "_", "é"):
            changed = token[:position] + character + token[position + 1 :]
            if changed == token:
                continue
            try:
                assert known.find(changed) is None, changed
            except GatewayError as error:
                assert error.status == 401  # noqa: PT017  both ways are a refusal


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_what_is_no_token_is_refused_and_nothing_breaks(one: str, two: str, three: str) -> None:
    known = tokens()
    ours = minted().split(".")
    made_up = (f"{one}.{two}.{three}", f"{ours[0]}.{two}.{three}", f"{ours[0]}.{ours[1]}.{three}", f"eyJ{one}..")
    for token in (one, *made_up):
        try:
            assert known.find(token) is None
        except GatewayError as error:
            assert error.status == 401  # noqa: PT017  both ways are a refusal


def test_the_claims_must_be_an_object() -> None:
    assert reason(signed(["not", "an", "object"])) == "SessionUnreadable"


def test_a_token_ends_while_it_is_known() -> None:
    known = tokens()
    token = signed(claims(exp=int(time.time()) + 1))
    assert known.find(token) is not None
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            known.find(token)
        except GatewayError as error:
            assert error.reason == "SessionExpired"  # noqa: PT017  the loop waits for it
            return
    raise AssertionError("it never ended")


def test_a_revoked_session_is_refused_at_once_whether_its_token_is_known_or_not() -> None:
    revoked: set[str] = set()
    known, token = tokens(revoked), minted()
    assert known.find(token) is not None
    revoked.add("ses_1")
    for finder in (known, tokens(revoked)):
        with pytest.raises(GatewayError) as caught:
            finder.find(token)
        assert caught.value.reason == "SessionRevoked"


def test_a_provider_that_is_taken_out_of_the_configuration_takes_its_sessions_along() -> None:
    assert reason(minted(), identity_providers=(provider("another"),)) == "SessionProviderGone"
    assert reason(minted(), identity_providers=()) == "SessionProviderGone"


def test_the_session_of_a_token_is_known_when_it_is_over() -> None:
    known = tokens(revoked={"ses_1"})
    assert known.session_of(signed(claims(exp=1))) == "ses_1"
    assert known.session_of(signed(claims(iss="https://other.corp.example"))) is None
    assert known.session_of(f"{segment({'alg': 'none'})}.{segment(claims())}.") is None


def test_tokens_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_proxy.identity.sessions.verified.MAX_BYTES", 200_000)
    known = tokens(billing_group_tag="cost-center")
    principals: WeakSet[Principal] = WeakSet()
    for number in range(300):
        groups = [f"group {number} {position}" for position in range(number % 100)]
        token = signed(claims(jti=str(number), groups=groups))
        principal = known.find(token)
        assert principal is not None
        assert known.find(token) is principal
        principals.add(principal)
    del principal
    gc.collect()
    assert 10 < len(principals) < 150
    known.forget()
    gc.collect()
    assert not principals


def test_what_is_out_of_date_leaves_the_memory_with_the_next_token(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tokens()
    ends = int(time.time()) + 30
    principals = WeakSet([known.find(signed(claims(jti=str(number), exp=ends))) for number in range(10)])
    assert len(principals) == 10
    monkeypatch.setattr(time, "time", lambda: float(ends))
    assert known.find(signed(claims(exp=ends + 30))) is not None
    gc.collect()
    assert len(principals) == 0


def test_a_person_is_kept_with_the_groups_that_decide_anything() -> None:
    policies = (Policy(name="claude/engineers", matches=(Match(groups=("engineering",)),)),)
    for tag, kept in ((None, {"engineering"}), ("cost-center", {"engineering", "everyone"})):
        principal = tokens(policies=policies, billing_group_tag=tag).find(minted())
        assert principal is not None
        assert principal.caller is not None
        assert principal.caller.groups == kept
