"""A session ends: the developer signs out, or an administrator says so. Every pod refuses it within two seconds."""

import base64
import hashlib
from typing import Any

import pytest
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.raw_client import Response, fetch
from tests.standins.sign_in import ADMIN_KEY, REVOKED_SECONDS, SignInWorld, Tokens, admin_key, session_of


def out_everywhere(world: SignInWorld, tokens: Tokens) -> None:
    for pod in (0, 1):
        refused = eventually(
            lambda pod=pod: (answer := world.models(tokens.access, pod=pod)).status == 401 and answer,
            what=f"pod {pod} refuses the session",
            deadline=REVOKED_SECONDS,
        )
        assert refused.header("x-should-retry") == "false"
        assert refused.json()["error"]["type"] == "authentication_error"
    assert world.refresh(tokens.refresh).status == 401


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_signing_out_ends_the_session(world: SignInWorld, kind: str) -> None:
    tokens = world.sign_in()
    hint = {"token_type_hint": "refresh_token"} if kind == "refresh" else {}
    answer = world.post("/oauth/revoke", {"token": getattr(tokens, kind), **hint})
    assert answer.status == 200
    out_everywhere(world, tokens)
    assert world.line("session.revoke", session=session_of(tokens))["reason"] == "SignedOut"
    assert world.post("/oauth/revoke", {"token": getattr(tokens, kind)}).status == 200, "once more is no error"


def test_revoking_what_is_no_token_is_no_error(world: SignInWorld) -> None:
    assert world.post("/oauth/revoke", {"token": "nonsense"}).status == 200
    assert world.post("/oauth/revoke", {}).json()["error"] == "invalid_request"


def test_an_administrator_sees_who_is_signed_in(world: SignInWorld, idp: IdentityProvider) -> None:
    world.revoke({"all": True})
    alice = world.sign_in()
    idp.claims |= {"sub": "00u-bob", "email": "bob@corp.example"}
    bob = world.sign_in()
    answer = world.sessions("?user=ALICE@corp.example", pod=1)
    assert answer.status == 200
    (found,) = [each for each in answer.json()["data"] if each["revoked_at"] is None]
    assert found["id"] == session_of(alice)
    assert (found["user"], found["email"], found["provider"]) == ("00u-alice", "alice@corp.example", "corporate")
    assert found["groups"] == ["engineering"]
    assert found["created_at"] <= found["last_used_at"] < found["expires_at"]
    page = world.sessions("?limit=1").json()
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([session_of(bob)], True)
    following = world.sessions(f"?limit=1&after_id={page['last_id']}").json()
    assert [each["id"] for each in following["data"]] == [session_of(alice)]
    assert all(secret not in answer.body for secret in (alice.refresh.encode(), alice.access.encode()))


@pytest.mark.parametrize("by", ["id", "user", "email", "all"])
def test_an_administrator_ends_sessions(world: SignInWorld, by: str) -> None:
    world.revoke({"all": True})
    tokens = world.sign_in()
    targets: dict[str, dict[str, Any]] = {
        "id": {"id": session_of(tokens)},
        "user": {"user": "00u-alice"},
        "email": {"user": "Alice@corp.example"},
        "all": {"all": True},
    }
    answer = world.revoke(targets[by], pod=1)
    assert (answer.status, answer.json()) == (200, {"revoked": 1})
    out_everywhere(world, tokens)
    assert world.line("session.revoke", pod=1, by="ops")["revoked"] == 1
    assert world.revoke(targets[by]).json() == {"revoked": 0}


@pytest.mark.parametrize("target", [{"user": "alice@corp.example"}, {"all": True}])
def test_a_sign_in_that_was_approved_before_gives_nothing(world: SignInWorld, target: dict[str, Any]) -> None:
    device = world.begin()
    world.approve(device)
    assert world.revoke(target, pod=1).status == 200
    assert world.poll(device).json()["error"] == "access_denied"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"all": false}', b'{"user": ""}', b'{"id": 7}', b'{"all": true, "user": "x"}', b"\xff"],
)
def test_a_target_that_is_not_clear_ends_nothing(world: SignInWorld, body: bytes) -> None:
    tokens = world.sign_in()
    headers = [("x-api-key", ADMIN_KEY), ("content-type", "application/json")]
    answer = fetch(world.gateway.port, "POST", "/v1/organizations/sessions/revoke", headers=headers, body=body)
    assert answer.status == 400
    assert world.models(tokens.access).status == 200


def asks(world: SignInWorld, **headers: str) -> Response:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return fetch(world.gateway.port, "GET", "/v1/organizations/sessions", headers=given)


def test_only_administrators_may_ask(world: SignInWorld, idp: IdentityProvider) -> None:
    tokens = world.sign_in()
    developer = world.gateway.key("robot@corp.example")
    for headers, status, reason in (
        ({}, 401, "AdminCredentialMissing"),
        ({"x_api_key": ADMIN_KEY[:-1] + "x"}, 401, "AdminCredentialInvalid"),
        ({"x_api_key": ADMIN_KEY.upper()}, 401, "InvalidCredential"),
        ({"authorization": f"Bearer {tokens.access}"}, 403, "NotAnAdmin"),
        ({"x_api_key": developer}, 403, "NotAnAdmin"),
    ):
        answer = asks(world, **headers)
        assert answer.status == status, headers
        assert world.line("admin.denied", reason=reason)["client"] == "127.0.0.1"
    assert asks(world, x_api_key=ADMIN_KEY).status == 200
    assert asks(world, authorization=f"Bearer {ADMIN_KEY}").status == 200


def test_members_of_an_admin_group_may_ask_and_only_by_a_sign_in(world: SignInWorld) -> None:
    world.load(spend={"adminGroups": ["engineering"]})
    tokens = world.sign_in()
    assert asks(world, authorization=f"Bearer {tokens.access}").status == 200
    assert asks(world, x_api_key=world.gateway.key("robot@corp.example")).status == 403, "a key's groups are made up"


def test_an_admin_key_ends(world: SignInWorld) -> None:
    manifests = [each for each in world.manifests() if each["metadata"]["name"] != "admin-ops"]
    for pod in world.pods:
        pod.load([*manifests, admin_key(expires="2020-01-01T00:00:00Z")])
    assert asks(world, x_api_key=ADMIN_KEY).status == 401
    assert hashlib.sha256(ADMIN_KEY.encode()).hexdigest() not in world.gateway.audit_text()
    assert base64.b64encode(ADMIN_KEY.encode()).decode() not in world.gateway.log_text()


def test_a_pod_that_starts_never_takes_what_was_ended_before(world: SignInWorld) -> None:
    ended, lives = world.sign_in(), world.sign_in()
    assert world.post("/oauth/revoke", {"token": ended.access}).status == 200
    pod = world.pods[1]
    pod.stop()
    pod.start("--listen", f"127.0.0.1:{world.ports[1]}", "--state-dir", str(world.folder / "state"))
    assert {world.models(ended.access, pod=1).status for _ in range(20)} == {401}
    assert world.models(lives.access, pod=1).status == 200, "sessions outlive pods"
