"""A developer signs in: the device's side, the browser's side, and what the session is good for."""

import hashlib
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.raw_client import fetch
from tests.standins.sign_in import SignInWorld, session_of, tokens_of
from tests.standins.web_person import WebPerson


def test_a_client_finds_everything_from_the_discovery_document(world: SignInWorld) -> None:
    answer = world.gateway.get("/.well-known/oauth-authorization-server")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    said = answer.json()
    assert said["issuer"] == world.url
    for member in ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        assert said[member].startswith(f"{world.url}/oauth/")
    assert said["gateway_protocol_version"] == 1
    assert said["grant_types_supported"] == ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]
    assert said["token_endpoint_auth_methods_supported"] == ["none"]
    assert said["response_types_supported"] == []
    assert "authorization_endpoint" not in said


def test_from_the_first_request_to_the_first_answer_of_a_model(world: SignInWorld) -> None:
    device = world.begin()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device.user_code)
    assert device.answer["verification_uri"] == f"{world.url}/device"
    assert device.answer["verification_uri_complete"] == f"{world.url}/device?user_code={device.user_code}"
    assert (device.answer["expires_in"], device.answer["interval"]) == (600, 5)
    pending = world.poll(device)
    assert (pending.status, pending.json()["error"]) == (400, "authorization_pending")

    page = world.approve(device)
    assert (page.status, page.url.partition("?")[0]) == (200, f"{world.url}/oauth/callback")
    assert "alice@corp.example" in page.text
    assert "terminal" in page.text

    tokens = world.redeem(device, pod=1)
    assert tokens.answer["token_type"] == "Bearer"
    assert tokens.answer["expires_in"] == 3600
    assert tokens.answer["email"] == "alice@corp.example"
    for pod in (0, 1):
        models = world.models(tokens.access, pod=pod)
        assert [model["id"] for model in models.json()["data"]] == ["claude-sonnet-5-5"]


def rows(world: SignInWorld, statement: str, *values: bytes | float) -> None:
    with closing(sqlite3.connect(world.folder / "state" / "store.sqlite3", timeout=10)) as database, database:
        database.execute(statement, values)


def test_an_answer_that_got_lost_is_given_again(world: SignInWorld) -> None:
    device = world.begin()
    world.approve(device)
    first, again = world.redeem(device), world.redeem(device, pod=1)
    assert session_of(first) == session_of(again)
    assert first.refresh == again.refresh
    assert world.models(again.access).status == 200
    assert world.line("session.mint", pod=1, outcome="Repeated")["session"] == session_of(first)
    aged = "UPDATE claude_gateway_sign_ins SET expires_at = ? WHERE device_code_sha256 = ?"
    rows(world, aged, time.time(), hashlib.sha256(device.device_code.encode()).digest())
    late = world.poll(device)
    assert (late.status, late.json()["error"]) == (400, "invalid_grant"), "after the grace a device code is used up"


@pytest.mark.parametrize("by", ["renewal", "revocation"])
def test_a_device_code_gives_no_session_that_has_moved_on(world: SignInWorld, by: str) -> None:
    device = world.begin()
    world.approve(device)
    tokens = world.redeem(device)
    if by == "renewal":
        assert world.refresh(tokens.refresh).status == 200
    else:
        assert world.revoke({"id": session_of(tokens)}).json() == {"revoked": 1}
    again = world.poll(device)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


def test_a_sign_in_outlives_a_store_that_fails_while_it_is_fetched(world: SignInWorld) -> None:
    device = world.begin()
    world.approve(device)
    rows(world, "ALTER TABLE claude_gateway_sessions RENAME TO away")
    try:
        assert world.poll(device).status == 503
    finally:
        rows(world, "ALTER TABLE away RENAME TO claude_gateway_sessions")
    assert world.models(world.redeem(device).access).status == 200


def test_what_is_written_of_a_sign_in(world: SignInWorld) -> None:
    device = world.begin()
    world.approve(device)
    tokens = world.redeem(device)
    minted = world.line("session.mint", session=session_of(tokens))
    authorized = world.line("device.authorize")
    verified = world.line("device.verify", sign_in=authorized["sign_in"])
    returned = world.line("device.callback", sign_in=authorized["sign_in"])
    assert authorized["surface"] == "claude_code"
    assert all(line["client"] == "127.0.0.1" for line in (authorized, verified, returned, minted))
    assert (returned["outcome"], returned["email"], returned["provider"]) == (
        "approved",
        "alice@corp.example",
        "corporate",
    )
    assert (minted["sub"], minted["email"]) == ("00u-alice", "alice@corp.example")
    everything = world.gateway.audit_text() + world.gateway.log_text()
    for secret in (tokens.access, tokens.refresh, device.device_code, device.user_code):
        assert secret not in everything
    assert world.gateway.metric("claude_gateway_sign_ins_total", outcome="Completed") >= 1


def test_a_code_in_the_address_is_shown_and_nothing_else_happens(world: SignInWorld, idp: IdentityProvider) -> None:
    device = world.begin()
    page = WebPerson().open(device.answer["verification_uri_complete"])
    assert device.user_code in page.text
    assert world.poll(device).json()["error"] == "authorization_pending"
    assert idp.asked("/authorize") == 0
    assert page.submit("Continue").status == 200
    tokens_of(world.poll(device))


def test_whoever_polls_too_fast_is_slowed_down(world: SignInWorld) -> None:
    device = world.begin()
    world.poll(device)
    fast = world.poll(device)
    assert (fast.status, fast.json()["error"]) == (400, "slow_down")
    assert fast.header("retry-after") == "10"


def test_a_person_denies(world: SignInWorld) -> None:
    device = world.begin()
    page = WebPerson().open(device.answer["verification_uri_complete"]).submit("Deny")
    assert page.status == 200
    assert world.poll(device).json()["error"] == "access_denied"
    again = world.approve(device)
    assert again.status == 400, "a denied code waits for nobody"


def test_a_code_may_be_typed_as_people_type(world: SignInWorld) -> None:
    device = world.begin()
    typed = device.user_code.lower().replace("-", " ")
    page = WebPerson().open(f"{world.url}/device").submit("Continue", user_code=typed)
    assert page.status == 200
    tokens_of(world.poll(device))


def test_a_wrong_code_is_asked_for_again(world: SignInWorld) -> None:
    page = WebPerson().open(f"{world.url}/device").submit("Continue", user_code="BBBB-BBBB")
    assert page.status == 400
    assert "No sign-in waits" in page.text
    device = world.begin()
    assert page.submit("Continue", user_code=device.user_code).status == 200


def test_the_person_says_no_at_the_identity_provider(world: SignInWorld, idp: IdentityProvider) -> None:
    device = world.begin()
    idp.authorize = lambda query: {"error": "access_denied", "state": query["state"]}  # type: ignore[method-assign]
    try:
        page = world.approve(device)
    finally:
        del idp.authorize
    assert page.status == 200
    assert "denied" in page.text.lower()
    assert world.poll(device).json()["error"] == "access_denied"


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        ("access_denied", "ProviderDenied", 200),
        ("unauthorized_client", "ProviderRefused", 403),
        ("temporarily_unavailable", "ProviderFailed", 503),
    ],
)
def test_what_the_provider_said_instead_of_a_code_is_written_down(
    world: SignInWorld, idp: IdentityProvider, error: str, reason: str, status: int
) -> None:
    device = world.begin()
    said = {"error": error, "error_description": "AADSTS50105: not assigned\r\n{forged}"}
    idp.authorize = lambda query: {**said, "state": query["state"]}  # type: ignore[method-assign]
    try:
        page = world.approve(device)
    finally:
        del idp.authorize
    assert page.status == status
    assert "AADSTS" not in page.text
    assert world.line("device.callback", reason=reason)["error"] == error
    line = eventually(lambda: logged(world, reason), what="the log's line")
    assert f"{error}: AADSTS50105: not assigned  {{forged}}" in line["message"]


def logged(world: SignInWorld, reason: str) -> dict[str, Any] | None:
    return next((line for line in world.gateway.logs() if line.get("reason") == reason), None)


def test_a_provider_that_is_away_when_a_code_is_entered(tmp_path: Path) -> None:
    with IdentityProvider() as idp, SignInWorld(tmp_path / "world", idp) as world:
        idp.answers["/.well-known/openid-configuration"] = lambda asked: (503, {})
        device = world.begin()
        assert world.approve(device).status == 503
        line = world.line("device.verify", outcome="failed")
        assert (line["reason"], line["provider"]) == ("IdentityProviderUnavailable", "corporate")
        assert world.poll(device).json()["error"] == "authorization_pending"


def test_a_provider_that_fails_leaves_the_sign_in_open(world: SignInWorld, idp: IdentityProvider) -> None:
    device = world.begin()
    idp.answers["/token"] = lambda asked: (503, {})
    page = world.approve(device)
    assert page.status == 503
    assert "Try again" in page.text
    del idp.answers["/token"]
    assert world.approve(device).status == 200
    tokens_of(world.poll(device))


def test_who_may_not_sign_in_is_told_why_in_the_browser_and_on_the_device(
    world: SignInWorld, idp: IdentityProvider
) -> None:
    idp.claims["email_verified"] = False
    device = world.begin()
    page = world.approve(device)
    assert page.status == 403
    assert world.poll(device).json()["error"] == "access_denied"
    assert world.line("device.callback", reason="EmailNotVerified")["outcome"] == "refused"


def test_the_notice_of_the_organization_comes_before_the_sign_in(world: SignInWorld) -> None:
    world.load(session={"loginNotice": "For corp employees only."})
    assert world.begin().answer["login_notice"] == "For corp employees only."


def test_a_gateway_without_an_identity_provider_has_no_sign_in(world: SignInWorld) -> None:
    world.load(identity={"oidc": []}, store={"type": "None"})
    for method, path in (
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/device"),
        ("GET", "/oauth/callback"),
        ("POST", "/oauth/token"),
    ):
        headers = [("content-type", "application/x-www-form-urlencoded")]
        answer = fetch(world.gateway.port, method, path, headers=headers, body=b"" if method == "POST" else None)
        assert answer.status == 404, path
    said = world.gateway.get("/.well-known/oauth-authorization-server").json()
    assert said["error"]["type"] == "not_found_error"
    assert "ANTHROPIC_AUTH_TOKEN" in said["error"]["message"]


def test_a_provider_without_refresh_tokens_gives_a_session_that_ends(world: SignInWorld, idp: IdentityProvider) -> None:
    idp.token_answer["refresh_token"] = None
    device = world.begin()
    world.approve(device)
    answer = world.poll(device)
    assert answer.status == 200
    assert "refresh_token" not in answer.json()
    assert world.models(answer.json()["access_token"]).status == 200
    assert "refresh_token" not in world.poll(device, pod=1).json(), "nor in the same answer once more"
    eventually(
        lambda: any(line.get("event") == "session.not_renewable" for line in world.gateway.logs()),
        what="the log's line",
    )


def test_two_sign_ins_in_two_tabs_of_one_browser(world: SignInWorld, idp: IdentityProvider) -> None:
    person = WebPerson()
    first, second = world.begin(), world.begin()
    held: list[str] = []
    authorize = idp.authorize
    idp.authorize = lambda query: held.append(query["state"]) or authorize(query)  # type: ignore[func-returns-value,method-assign]
    try:
        assert world.approve(first, person).status == 200
        assert world.approve(second, person).status == 200
    finally:
        del idp.authorize
    assert len(set(held)) == 2
    assert {world.redeem(first).access, world.redeem(second).access}


def test_a_session_is_found_in_the_time_that_clients_wait(world: SignInWorld) -> None:
    tokens = world.sign_in()
    began = time.monotonic()
    assert world.models(tokens.access, pod=1).status == 200
    assert time.monotonic() - began < 3
