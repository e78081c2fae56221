"""Somebody in more groups than a token can name: none is lost that decides anything."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy.identity.sessions.issuer import CREDENTIALS, opened, signed, with_sign_in

from gateway_config.contract import Match, Policy
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.signing import SigningKeys
from gateway_proxy.identity.sessions.tokens import SessionTokens

GROUPS = tuple(f"00000000-0000-0000-0000-{number:012x}" for number in range(5000))


def tokens(*named: str, admins: tuple[str, ...] = ()) -> SessionTokens:
    policies = tuple(
        Policy(name=f"claude/{position}", matches=(Match(groups=(group,)),)) for position, group in enumerate(named)
    )
    configuration = with_sign_in(policies=policies, admin_groups=admins, billing_group_tag="cost-center")
    return SessionTokens(configuration, SigningKeys(configuration.signing_keys, CREDENTIALS), revoked=())


def minted(known: SessionTokens, *groups: str) -> str:
    return known.mint("ses_1", Person("corporate", "1", "alice", None, groups), now=time.time())


def groups_of(known: SessionTokens, token: str) -> frozenset[str]:
    principal = known.find(token)
    assert principal is not None
    assert principal.caller is not None
    return principal.caller.groups


@pytest.mark.parametrize("count", [0, 1, 100])
def test_all_groups_that_fit_are_carried(count: int) -> None:
    known = tokens(GROUPS[0], "other")
    token = minted(known, *GROUPS[:count])
    assert opened(token)["groups"] == list(GROUPS[:count])
    assert groups_of(tokens("changed"), token) == set(GROUPS[:count]), "such a token is good for any policies"


def test_no_group_that_the_configuration_speaks_of_is_lost() -> None:
    named = (*GROUPS[1000:1500], "other")
    known = tokens(*named, admins=(GROUPS[777],))
    token = minted(known, *GROUPS)
    assert len(token) < 7 * 1024
    found = groups_of(known, token)
    assert found.issuperset({*GROUPS[1000:1500], GROUPS[777]})
    assert found < set(GROUPS), "never one that the person is not in"
    assert len(found) > 500 + 80, "of the others those that fit"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 400), unique=True), st.sets(st.integers(200, 400)))
def test_who_is_in_which_group_is_never_mistaken(members: list[int], named: set[int]) -> None:
    groups = [GROUPS[number] for number in members]
    known = tokens(*(GROUPS[number] for number in sorted(named)))
    found = groups_of(known, minted(known, *groups))
    speaks_of = {GROUPS[number] for number in named}
    assert found & speaks_of == speaks_of.intersection(groups)
    assert found <= set(groups)


@pytest.mark.parametrize("now_named", [(), ("first",), ("first", "second", "third"), ("first", "third")])
def test_a_cut_token_is_refused_once_other_groups_are_spoken_of(now_named: tuple[str, ...]) -> None:
    token = minted(tokens("first", "second"), *GROUPS[:300])
    assert groups_of(tokens("second", "first", "first"), token)
    with pytest.raises(GatewayError) as caught:
        tokens(*now_named).find(token)
    assert (caught.value.status, caught.value.reason) == (401, "SessionGroupsChanged")
    assert caught.value.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("cut", ["x", [], {}, {"of": "x"}, {"bits": 7}, {"of": 7, "bits": "é"}])
def test_what_no_gateway_writes_is_refused(cut: Any) -> None:
    known = tokens("first")
    claims = opened(minted(known, *GROUPS[:300]))
    with pytest.raises(GatewayError) as caught:
        known.find(signed(claims | {"named_groups": cut}))
    assert caught.value.status == 401
    with pytest.raises(GatewayError) as caught:
        known.find(signed(claims | {"named_groups": {"of": claims["named_groups"]["of"], "bits": "é"}}))
    assert caught.value.reason == "SessionUnreadable"
