"""What is sealed opens for its purpose alone; codes are what people can type."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.identity.sessions.issuer import ALICE, CREDENTIALS, signing_key

from gateway_proxy.identity.sessions import browser_trip, codes, provider_tokens
from gateway_proxy.identity.sessions.provider_tokens import Approval
from gateway_proxy.identity.sessions.sealing import UnsealError, as_text, from_text, seal, unseal
from gateway_proxy.identity.sessions.signing import SigningKeys

ONE, TWO = b"1" * 32, b"2" * 32
KEYS = SigningKeys([signing_key("k1"), signing_key("k2", "Verify")], CREDENTIALS)
OTHER_PEOPLE = (
    replace(ALICE, subject="2"),
    replace(ALICE, user="bob"),
    replace(ALICE, email=None),
    replace(ALICE, provider="partner"),
    replace(ALICE, groups=("engineering", "everyone", "admins")),
    replace(ALICE, groups=("everyone", "engineering")),
)
OTHERS = SigningKeys([signing_key("k3")], CREDENTIALS)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_comes_back(data: bytes, context: str) -> None:
    sealed = seal(ONE, data, purpose="p", context=context)
    assert unseal((TWO, ONE), from_text(as_text(sealed)), purpose="p", context=context) == data


@pytest.mark.parametrize(
    ("secret", "purpose", "context"), [(TWO, "p", "c"), (ONE, "other", "c"), (ONE, "p", "other"), (ONE, "p", "")]
)
def test_another_secret_purpose_or_context_opens_nothing(secret: bytes, purpose: str, context: str) -> None:
    sealed = seal(ONE, b"data", purpose="p", context="c")
    with pytest.raises(UnsealError):
        unseal((secret,), sealed, purpose=purpose, context=context)


def test_no_bit_of_a_seal_can_be_changed() -> None:
    sealed = seal(ONE, b"data", purpose="p")
    for position in range(len(sealed)):
        changed = bytes(byte ^ (position == at) for at, byte in enumerate(sealed))
        with pytest.raises(UnsealError):
            unseal((ONE,), changed, purpose="p")
    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            unseal((ONE,), sealed[:length], purpose="p")


@given(st.text(max_size=100))
def test_a_made_up_state_is_no_trip(state: str) -> None:
    assert browser_trip.trip_of(state, KEYS, now=1.0) is None


def test_a_trip_belongs_to_one_browser_and_ends() -> None:
    trip, cookie = browser_trip.new_trip("sig_1", "corporate", now=1000.0)
    state = trip.sealed(KEYS)
    assert browser_trip.trip_of(state, KEYS, now=1599.0) == trip
    assert browser_trip.trip_of(state, KEYS, now=1600.0) is None
    assert browser_trip.trip_of(state, OTHERS, now=1001.0) is None
    assert trip.is_of(cookie)
    assert not trip.is_of(None)
    assert not trip.is_of(browser_trip.new_trip("sig_1", "corporate", now=1000.0)[1])
    assert len(state) < 700, "providers cut long ones"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", trip.code_challenge)
    assert all(secret not in repr(trip) for secret in (trip.nonce, trip.code_verifier))


def test_a_sign_in_is_approved_for_one_person_by_the_gateways_own_word() -> None:
    for token in ("provider-secret", None):
        waiting = provider_tokens.sealed_for_sign_in(token, ALICE, KEYS)
        assert b"provider-secret" not in waiting
        assert provider_tokens.of_sign_in(waiting, ALICE, KEYS) == Approval(token)
        assert provider_tokens.of_sign_in(waiting, ALICE, OTHERS) is None
        for other in OTHER_PEOPLE:
            assert provider_tokens.of_sign_in(waiting, other, KEYS) is None
    assert provider_tokens.of_sign_in(None, ALICE, KEYS) is None


def test_a_providers_refresh_token_opens_for_its_session_and_speaks_of_one_person() -> None:
    token = provider_tokens.confirmed("provider-secret", ALICE, KEYS, "ses_1", now=1000.25)
    kept = provider_tokens.sealed_for_session(token, "cgr_1", "ses_1")
    assert provider_tokens.of_session(kept, "cgr_1", "ses_1") == token
    assert provider_tokens.of_session(kept, "cgr_2", "ses_1") is None
    assert provider_tokens.of_session(kept, "cgr_1", "ses_2") is None
    assert token.speaks_of(ALICE, KEYS, "ses_1")
    assert not token.speaks_of(ALICE, OTHERS, "ses_1")
    assert not token.speaks_of(ALICE, KEYS, "ses_2")
    assert not replace(token, confirmed_at=2000.25).speaks_of(ALICE, KEYS, "ses_1")
    assert not any(token.speaks_of(other, KEYS, "ses_1") for other in OTHER_PEOPLE)


def test_a_successor_opens_for_the_token_that_it_replaced() -> None:
    sealed = provider_tokens.sealed_successor("cgr_2", "cgr_1", ALICE, KEYS, "ses_1")
    successor = provider_tokens.successor_of(sealed, "cgr_1", "ses_1")
    assert successor is not None
    assert successor.token == "cgr_2"
    assert successor.speaks_of(ALICE, KEYS, "ses_1")
    assert not any(successor.speaks_of(other, KEYS, "ses_1") for other in OTHER_PEOPLE)
    assert provider_tokens.successor_of(sealed, "cgr_3", "ses_1") is None


def test_codes_hold_letters_that_people_do_not_mistake() -> None:
    for _ in range(200):
        code = codes.new_user_code()
        assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
        assert codes.user_code_as_typed(code) == code
    assert len({codes.new_device_code() for _ in range(100)}) == 100


@pytest.mark.parametrize("typed", ["bcdf-ghjk", "BCDFGHJK", " bcdf ghjk ", "b-c-d-f-g-h-j-k", "BCDF\u00a0GHJK"])
def test_a_code_may_be_typed_in_many_ways(typed: str) -> None:
    assert codes.user_code_as_typed(typed) == "BCDF-GHJK"


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJKL", "\u0412CDF-GHJK", "B" * 10_000, "bcdf\0ghjk"])
def test_what_cannot_be_a_code_is_told_without_looking_it_up(typed: str) -> None:
    assert codes.user_code_as_typed(typed) is None


@pytest.mark.parametrize("value", ["", "short", "AAAA" * 8, "not base64 ä"])
def test_a_signing_key_that_is_none_is_refused_without_being_told(value: str) -> None:
    with pytest.raises(ValueError, match="signing key k1") as caught:
        SigningKeys([signing_key("k1")], {"signing.keys/k1": value})
    assert value == "" or value not in str(caught.value)
