"""Which policy speaks of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_config.callers import Caller, PolicyIndex, folded, matches
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
    assert deciding(first, second, base=base, caller=ALICE) == first
    assert deciding(second, first, base=base, caller=ALICE) == second
    assert deciding(first, base=base, caller=JOB) == base
    assert deciding(first, caller=JOB) is None


def deciding(*policies: Policy, caller: Caller, base: Policy | None = None) -> Policy | None:
    return PolicyIndex(configuration(*policies, base=base)).deciding(caller)


FEW = st.lists(st.sampled_from(["a", "b", "c@x.y", "x.y"]), max_size=2).map(tuple)
ENTRIES = st.builds(Match, groups=FEW, users=FEW, email_domains=FEW, workloads=FEW, identity_providers=FEW)
CALLERS = st.builds(
    Caller,
    user=st.sampled_from(["a", "b", "C@x.y"]),
    email=st.sampled_from([None, "a@x.y", "c@X.y"]),
    groups=FEW.map(frozenset),
    workload=st.sampled_from([None, "a"]),
    identity_provider=st.sampled_from([None, "b"]),
)


@given(st.lists(st.lists(ENTRIES, min_size=1, max_size=3).map(tuple), max_size=6), CALLERS)
def test_the_index_decides_as_one_look_after_the_other_would(entries: list[tuple[Match, ...]], caller: Caller) -> None:
    policies = [Policy(name=f"a/{position}", matches=each) for position, each in enumerate(entries)]
    wanted = next((each for each in policies if any(matches(entry, caller) for entry in each.matches)), None)
    assert deciding(*policies, caller=caller) == wanted
