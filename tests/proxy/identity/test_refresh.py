"""A session is renewed: the provider is asked again who its holder is."""

import threading
from typing import Any

import pytest
from tests.proxy.identity.clients import MakeDeveloper
from tests.standins.identity_provider import Asked, IdentityProvider

from gateway_proxy.identity.oidc.failures import ProviderRefusedError, ProviderUnavailableError

ALICE = "00u-alice"


async def test_groups_are_those_of_now(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    first = await one.come_back()
    idp.claims["groups"] = ["contractors"]
    again = await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert again.person.groups == ("contractors",)
    assert again.refresh_token not in (None, first.refresh_token)
    assert await one.client.refresh(again.refresh_token or "", subject=ALICE)


async def test_the_token_sent_stays_where_none_is_given_anew(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    first = await one.come_back()
    idp.token_answer = {"refresh_token": None}
    again = await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert again.refresh_token == first.refresh_token


async def test_a_provider_may_give_no_refresh_token(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.token_answer = {"refresh_token": None}
    assert (await developer().come_back()).refresh_token is None


async def test_who_has_left_is_out(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    first = await one.come_back()
    idp.removed.add(ALICE)
    with pytest.raises(ProviderRefusedError) as caught:
        await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert caught.value.reason == "IdentityProviderRefused"
    assert caught.value.sentence == "okta does not know your sign-in any more. Sign in again."


@pytest.mark.parametrize("error", ["access_denied", "interaction_required", "login_required", "consent_required"])
async def test_other_ways_to_say_so(idp: IdentityProvider, developer: MakeDeveloper, error: str) -> None:
    idp.answers["/token"] = lambda _: (400, {"error": error})
    with pytest.raises(ProviderRefusedError):
        await developer().client.refresh("any", subject=ALICE)


@pytest.mark.parametrize(
    ("members", "claims", "reason"),
    [
        ({"allowed_groups": ("engineering",)}, {"groups": ["contractors"]}, "GroupNotAllowed"),
        ({"allowed_email_domains": ("corp.example",)}, {"email": "a@other.example"}, "EmailDomainNotAllowed"),
        ({}, {"email_verified": False}, "EmailNotVerified"),
    ],
)
async def test_whom_the_rules_let_in_no_more_is_out(
    idp: IdentityProvider, developer: MakeDeveloper, members: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    one = developer(**members)
    first = await one.come_back()
    idp.claims |= claims
    with pytest.raises(ProviderRefusedError) as caught:
        await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert caught.value.reason == reason


async def test_somebody_elses_identity_is_refused(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    first = await one.come_back()
    idp.claims["sub"] = "00u-bob"
    with pytest.raises(ProviderRefusedError, match="another subject"):
        await one.client.refresh(first.refresh_token or "", subject=ALICE)


async def test_without_an_identity_token_the_userinfo_endpoint_is_asked(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    one = developer()
    first = await one.come_back()
    idp.token_answer = {"id_token": None}
    idp.claims["groups"] = ["platform"]
    again = await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert again.person.groups == ("platform",)
    idp.claims["sub"] = "00u-bob"
    with pytest.raises(ProviderRefusedError, match="another subject"):
        await one.client.refresh(again.refresh_token or "", subject=ALICE)


@pytest.mark.parametrize("told", [{}, {"groups": None}, {"roles": ["reader"]}])
async def test_groups_that_userinfo_does_not_tell_are_not_forgotten(
    idp: IdentityProvider, developer: MakeDeveloper, told: dict[str, Any]
) -> None:
    one = developer(group_claims=("groups", "roles"))
    first = await one.come_back()
    assert first.person.groups == ("engineering",)
    idp.token_answer = {"id_token": None}
    idp.userinfo = {"sub": ALICE, "email": "alice@corp.example", **told}
    newest = first.refresh_token
    for known in (first.person, None):
        with pytest.raises(ProviderUnavailableError, match="claims") as caught:
            await one.client.refresh(newest or "", subject=ALICE, known=known)
        assert caught.value.reason == "IdentityProviderMisconfigured"
        newest = caught.value.refresh_token
    idp.userinfo |= {"groups": [], "roles": []}
    assert (await one.client.refresh(newest or "", subject=ALICE, known=first.person)).person.groups == ()


async def test_an_address_that_userinfo_does_not_tell_is_not_forgotten(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    one = developer()
    first = await one.come_back()
    idp.token_answer = {"id_token": None}
    idp.userinfo = {"sub": ALICE, "groups": ["engineering"]}
    with pytest.raises(ProviderUnavailableError, match="claims"):
        await one.client.refresh(first.refresh_token or "", subject=ALICE, known=first.person)


async def test_whoever_had_no_groups_needs_none_of_userinfo(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    idp.claims.pop("groups")
    first = await one.come_back()
    idp.token_answer = {"id_token": None}
    again = await one.client.refresh(first.refresh_token or "", subject=ALICE, known=first.person)
    assert again.person == first.person


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (503, b""),
        (429, {}),
        (401, {"error": "invalid_client"}),
        (400, {"error": "invalid_request"}),
        (400, b"<html>"),
        (200, b"<html>"),
    ],
)
async def test_a_provider_in_trouble_says_nothing_about_the_person(
    idp: IdentityProvider, developer: MakeDeveloper, status: int, body: Any
) -> None:
    idp.answers["/token"] = lambda _: (status, body)
    with pytest.raises(ProviderUnavailableError) as caught:
        await developer().client.refresh("refresh-token-canary-11", subject=ALICE)
    assert caught.value.refresh_token is None
    assert "canary" not in caught.value.detail


@pytest.mark.parametrize("trouble", ["keys", "token", "userinfo"])
async def test_a_token_that_came_before_the_trouble_is_kept(
    idp: IdentityProvider, developer: MakeDeveloper, trouble: str
) -> None:
    first = await developer().come_back()
    one = developer()
    match trouble:
        case "keys":
            idp.answers["/keys"] = lambda _: (503, {})
        case "token":
            idp.alter_token = lambda header, claims: "no token"
        case "userinfo":
            idp.token_answer = {"id_token": None}
            idp.answers["/userinfo"] = lambda _: (503, {})
    with pytest.raises(ProviderUnavailableError) as caught:
        await one.client.refresh(first.refresh_token or "", subject=ALICE)
    kept = caught.value.refresh_token
    assert kept not in (None, first.refresh_token)
    idp.answers.clear()
    idp.token_answer, idp.alter_token = {}, lambda header, claims: None
    assert (await developer().client.refresh(kept or "", subject=ALICE)).person.subject == ALICE


async def test_a_provider_that_is_slow_to_tell_who_it_is_keeps_nobody_waiting(
    idp: IdentityProvider, developer: MakeDeveloper, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await developer().come_back()
    monkeypatch.setattr("gateway_proxy.identity.oidc.client.JUDGING_SECONDS", 0.3)
    told = threading.Event()
    idp.answers["/keys"] = lambda _: (200 if told.wait(20) else 503, {})
    try:
        with pytest.raises(ProviderUnavailableError, match="too long") as caught:
            await developer().client.refresh(first.refresh_token or "", subject=ALICE)
    finally:
        told.set()
    assert caught.value.refresh_token not in (None, first.refresh_token)


async def test_a_refresh_is_never_sent_twice(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    """The provider would take the second for a stolen token, and end the session."""
    one = developer()
    first = await one.come_back()
    idp.answers["/token"] = lambda _: (503, {})
    before = idp.asked("/token")
    with pytest.raises(ProviderUnavailableError):
        await one.client.refresh(first.refresh_token or "", subject=ALICE)
    assert idp.asked("/token") == before + 1


async def test_repeated_secrets_stay_out_of_the_log(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    def repeat(asked: Asked) -> tuple[int, dict[str, str]]:
        return 400, {"error": "invalid_grant", "error_description": f"token {asked.form['refresh_token']} is over"}

    idp.answers["/token"] = repeat
    with pytest.raises(ProviderRefusedError) as caught:
        await developer().client.refresh("refresh-token-canary-11", subject=ALICE)
    assert "is over" in caught.value.detail
    assert "canary" not in caught.value.detail
