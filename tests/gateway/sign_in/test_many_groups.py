"""Somebody in more groups than a session token can name."""

from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import Manifest, policy
from tests.standins.sign_in import SignInWorld, tokens_of

GROUPS = [f"00000000-0000-0000-0000-{number:012x}" for number in range(200)]


def policies(*denied: str) -> list[Manifest]:
    each = [policy(f"team-{number}", matches=[{"groups": [group]}]) for number, group in enumerate(GROUPS[:150])]
    return [*each, policy("blocked", matches=[{"groups": list(denied)}], access="Deny", priority=1000)]


def test_a_group_that_a_policy_denies_counts_among_hundreds(world: SignInWorld, idp: IdentityProvider) -> None:
    world.load(*policies(GROUPS[199]))
    idp.claims["groups"] = GROUPS
    denied = world.sign_in()
    for pod in (0, 1):
        assert world.models(denied.access, pod=pod).status == 403
    idp.claims["groups"] = GROUPS[:199]
    assert world.models(world.sign_in().access).status == 200


def test_policies_that_speak_of_another_group_ask_for_a_new_token(world: SignInWorld, idp: IdentityProvider) -> None:
    world.load(*policies("contractors"))
    idp.claims["groups"] = GROUPS
    before = world.sign_in()
    assert world.models(before.access).status == 200
    world.load(*policies("contractors", GROUPS[199]))
    for pod in (0, 1):
        answer = world.models(before.access, pod=pod)
        assert (answer.status, answer.header("x-should-retry")) == (401, "false")
        assert "renew" in answer.json()["error"]["message"]
    assert world.line("auth.denied", reason="SessionGroupsChanged")
    renewed = tokens_of(world.refresh(before.refresh))
    assert world.models(renewed.access, pod=1).status == 403
