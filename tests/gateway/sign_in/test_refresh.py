"""A session goes on by its refresh token, as long as the identity provider knows the person, and never two ways."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import policy
from tests.standins.raw_client import Response
from tests.standins.sign_in import REVOKED_SECONDS, SignInWorld, Tokens, oidc, session_of, tokens_of


def refused(answer: Response, sentence: str = "") -> None:
    """As clients take it for the end of a session."""
    assert answer.status == 401, answer
    said = answer.json()
    assert said["error"] == "invalid_grant"
    assert sentence in said["error_description"]
    assert answer.header("x-should-retry") == "false"


def test_a_refresh_gives_a_new_set_and_asks_the_provider_who_the_person_is_now(
    world: SignInWorld, idp: IdentityProvider
) -> None:
    first = world.sign_in()
    idp.claims |= {"groups": ["engineering", "admins"], "email": "alice@new.example"}
    second = tokens_of(world.refresh(first.refresh, pod=1))
    assert second.answer["email"] == "alice@new.example"
    assert (second.access != first.access, second.refresh != first.refresh) == (True, True)
    assert session_of(second) == session_of(first)
    assert world.models(second.access).status == 200
    assert world.models(first.access).status == 200, "the token before is good until its end"
    line = world.line("session.refresh", pod=1, session=session_of(first))
    assert (line["outcome"], line["email"]) == ("Renewed", "alice@new.example")


def test_sessions_go_on_for_many_refreshes(world: SignInWorld) -> None:
    tokens = world.sign_in()
    for number in range(6):
        tokens = tokens_of(world.refresh(tokens.refresh, pod=number % 2))
    assert world.models(tokens.access).status == 200


def test_a_refresh_whose_answer_was_lost_is_answered_alike(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = world.sign_in()
    first = tokens_of(world.refresh(tokens.refresh))
    asked = idp.asked("/token")
    again = tokens_of(world.refresh(tokens.refresh, pod=1))
    assert again.refresh == first.refresh
    assert world.models(again.access).status == 200
    assert idp.asked("/token") == asked, "the provider is not asked a second time"
    tokens_of(world.refresh(again.refresh))


def test_processes_that_race_with_one_token_all_stay_signed_in(world: SignInWorld, idp: IdentityProvider) -> None:
    """Case 23: one developer's processes on all pods, and a provider that takes a refresh token once."""
    tokens = world.sign_in()
    before = idp.asked("/token")
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: world.refresh(tokens.refresh, pod=number % 2), range(12)))
    renewed = [tokens_of(answer) for answer in answers]
    assert len({each.refresh for each in renewed}) == 1
    assert idp.asked("/token") == before + 1
    assert all(world.models(each.access).status == 200 for each in renewed)


def test_a_token_that_comes_back_too_late_ends_the_session(world: SignInWorld) -> None:
    """One of the two who have it stole it; nobody can tell which."""
    first = world.sign_in()
    second = tokens_of(world.refresh(first.refresh))
    third = tokens_of(world.refresh(second.refresh))
    refused(world.refresh(first.refresh), "sign in again")
    refused(world.refresh(third.refresh))
    assert world.models(third.access).status == 401
    eventually(
        lambda: world.models(third.access, pod=1).status == 401,
        what="the other pod refuses it",
        deadline=REVOKED_SECONDS,
    )
    line = world.line("session.revoke", session=session_of(first))
    assert line["reason"] == "RefreshTokenReused"


def test_who_has_left_the_organization_is_out_at_the_next_refresh(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = world.sign_in()
    idp.removed.add("00u-alice")
    refused(world.refresh(tokens.refresh))
    assert world.models(tokens.access).status == 401
    eventually(
        lambda: world.models(tokens.access, pod=1).status == 401,
        what="the other pod refuses it",
        deadline=REVOKED_SECONDS,
    )
    idp.removed.clear()
    refused(world.refresh(tokens.refresh))
    assert world.line("session.refresh", reason="IdentityProviderRefused")["sub"] == "00u-alice"


def test_who_may_not_sign_in_any_more_is_out_at_the_next_refresh(world: SignInWorld) -> None:
    tokens = world.sign_in()
    world.load(identity={"oidc": [oidc("corporate", world.idp.issuer, allowedGroups=["managers"])]})
    refused(world.refresh(tokens.refresh))


def test_while_the_provider_is_away_sessions_go_on(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = world.sign_in()
    idp.answers["/token"] = lambda asked: (503, {})
    second = tokens_of(world.refresh(tokens.refresh))
    assert world.models(second.access).status == 200
    assert world.line("session.refresh", session=session_of(tokens))["outcome"] == "Unconfirmed"
    idp.answers.clear()
    third = tokens_of(world.refresh(second.refresh))
    assert world.line("session.refresh", outcome="Renewed", session=session_of(tokens))
    assert world.models(third.access).status == 200


def test_a_token_that_the_provider_gave_before_it_failed_is_kept(world: SignInWorld, idp: IdentityProvider) -> None:
    """The one that was sent may be used up by then."""
    tokens = world.sign_in()
    idp.answers["/keys"] = lambda asked: (503, {})
    idp.kids.append("second")
    second = tokens_of(world.refresh(tokens.refresh))
    idp.answers.clear()
    idp.kids.pop()
    tokens_of(world.refresh(second.refresh))


def test_a_group_that_a_refresh_does_not_tell_still_closes_what_it_closes(
    world: SignInWorld, idp: IdentityProvider
) -> None:
    denied = policy("no-engineers", priority=9, matches=[{"groups": ["engineering"]}], access="Deny")
    world.load(denied, policy("everybody-else", matches=[{"groups": ["platform"]}]))
    tokens = world.sign_in()
    assert world.models(tokens.access).status == 403
    idp.token_answer = {"id_token": None}
    idp.userinfo = {"sub": "00u-alice", "email": "alice@corp.example"}
    tokens = tokens_of(world.refresh(tokens.refresh))
    assert world.models(tokens.access).status == 403
    assert world.line("session.refresh", outcome="Unconfirmed", session=session_of(tokens))
    idp.userinfo["groups"] = ["platform"]
    assert world.models(tokens_of(world.refresh(tokens.refresh)).access).status == 200


def test_an_unknown_refresh_token(world: SignInWorld) -> None:
    refused(world.refresh("cgr_" + "x" * 43), "not known")
    assert world.line("auth.denied", reason="RefreshTokenUnknown")["client"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
def test_other_grants_are_refused_in_oauths_words(world: SignInWorld, fields: dict[str, str], error: str) -> None:
    answer = world.post("/oauth/token", fields)
    assert (answer.status, answer.json()["error"]) == (400, error)
    assert answer.header("cache-control") == "no-store"


def test_signing_keys_rotate_under_a_running_session(world: SignInWorld) -> None:
    tokens = world.sign_in()
    for kids in ({"k1": "Sign", "k2": "Verify"}, {"k1": "Verify", "k2": "Sign"}, {"k2": "Sign"}):
        for pod in world.pods:
            pod.kids = dict(kids)
        world.load()
        tokens = renewed(world, tokens) if "k1" not in kids or kids["k1"] == "Verify" else tokens
        assert world.models(tokens.access).status == 200


def renewed(world: SignInWorld, tokens: Tokens) -> Tokens:
    return tokens_of(world.refresh(tokens.refresh))


def test_a_secret_is_in_no_row_of_the_store(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = renewed(world, world.sign_in())
    files = list((world.folder / "state").iterdir())
    content = b"".join(file.read_bytes() for file in files)
    assert b"alice@corp.example" in content
    for secret in (tokens.refresh, tokens.access, *idp._refresh_tokens):
        assert secret.encode() not in content
    assert json.dumps(tokens.answer) not in repr(tokens)
