"""Which policy speaks of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_config.callers import Caller, effective_policy, folded, matches
from gateway_config.contract import Configuration, GatewayIdentity, Limits, Match, Policy

ALICE = Caller(user="alice@corp.example", groups=frozenset({"engineering", "platform"}))
BOB = Caller(user="u-17", email="Bob@Partner.Example", groups=frozenset({"contractors"}), identity_provider="okta")
JOB = Caller(user="ci:corp/app", workload="github", groups=frozenset({"ci"}))


@pytest.mark.parametrize(
    ("match", "caller", "holds"),
    [
        (Match(), JOB, True),
        (Match(groups=("contractors", "platform")), ALICE, True),
        (Match(groups=("Platform",)), ALICE, False),
        (Match(users=("alice@corp.example",)), ALICE, True),
        (Match(users=("bob@partner.example",)), BOB, True),
        (Match(users=("u-17",)), BOB, True),
        (Match(users=("bob",)), BOB, False),
        (Match(email_domains=("partner.example",)), BOB, True),
        (Match(email_domains=("corp.example",)), ALICE, True),
        (Match(email_domains=("example",)), ALICE, False),
        (Match(email_domains=("corp.example",)), JOB, False),
        (Match(workloads=("github",)), JOB, True),
        (Match(workloads=("github",)), ALICE, False),
        (Match(identity_providers=("okta",)), BOB, True),
        (Match(identity_providers=("okta",)), JOB, False),
        (Match(groups=("engineering",), email_domains=("corp.example",)), ALICE, True),
        (Match(groups=("engineering",), email_domains=("partner.example",)), ALICE, False),
    ],
)
def test_every_member_given_must_hold_by_any_of_its_values(match: Match, caller: Caller, holds: bool) -> None:
    assert matches(match, caller) is holds


def test_a_letter_that_only_looks_ascii_is_another_user() -> None:
    kelvin = Caller(user="ali\u212ae@corp.example")
    assert "\u212a".lower() == "k"
    assert not matches(Match(users=("alike@corp.example",)), kelvin)
    assert matches(Match(users=(folded("ALI\u212aE@corp.example"),)), kelvin)


@given(st.text())
def test_folding_never_makes_an_ascii_letter_of_another(text: str) -> None:
    ascii_letters = [letter for letter in text if letter.isascii()]
    assert [letter for letter in folded(text) if letter.isascii()] == [letter.lower() for letter in ascii_letters]
    assert folded(folded(text)) == folded(text)


def configuration(*policies: Policy, base: Policy | None = None) -> Configuration:
    return Configuration(
        gateway=GatewayIdentity(namespace="claude", name="corp", public_url="https://claude.corp.example"),
        limits=Limits(max_request_bytes=1, max_buffered_bytes=1, drain_seconds=0),
        models=(),
        policies=policies,
        base=base,
    )


def test_the_first_match_decides_then_the_base_then_nobody() -> None:
    first = Policy(name="a/first", matches=(Match(groups=("x",)), Match(groups=("platform",))))
    second = Policy(name="a/second", matches=(Match(groups=("engineering",)),))
    base = Policy(name="a/base")
    assert effective_policy(configuration(first, second, base=base), ALICE) == first
    assert effective_policy(configuration(second, first, base=base), ALICE) == second
    assert effective_policy(configuration(first, base=base), JOB) == base
    assert effective_policy(configuration(first), JOB) is None
