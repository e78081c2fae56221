"""Bodies and queries of every kind at the open paths: refused with a sentence, nothing lost, nothing grown."""

import random
from typing import Final

import pytest
from tests.standins.gateway import eventually
from tests.standins.raw_client import ClosedEarlyError, Response, connect, fetch
from tests.standins.sign_in import FORM, SignInWorld, tokens_of

OPEN: Final = (
    ("GET", "/.well-known/oauth-authorization-server"),
    ("POST", "/oauth/device_authorization"),
    ("GET", "/device"),
    ("POST", "/device"),
    ("POST", "/device/deny"),
    ("GET", "/oauth/callback"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/revoke"),
)
CALLS: Final = 2000
GROWTH: Final = 24 * 1024 * 1024
"""Bytes that a pod may gain over all of it: rows of sign-ins that wait are in the store."""
POSTS: Final = [path for method, path in OPEN if method == "POST"]
NAMES: Final = (
    "grant_type",
    "device_code",
    "user_code",
    "refresh_token",
    "token",
    "state",
    "code",
    "provider",
    "error",
    "iss",
)


@pytest.mark.parametrize("path", POSTS)
def test_a_form_that_is_too_large_is_refused_at_its_head(world: SignInWorld, path: str) -> None:
    answer = fetch(world.gateway.port, "POST", path, headers=[FORM], body=b"x=" + b"y" * (64 * 1024))
    assert answer.status == 413
    says_so(answer, path)


def says_so(answer: Response, path: str) -> None:
    """Clients of OAuth read OAuth's errors, people read pages."""
    if path.startswith("/oauth/"):
        said = answer.json()
        assert said.keys() == {"error", "error_description"}
        assert said["error"] == "invalid_request"
        assert answer.header("cache-control") == "no-store"
    else:
        assert (answer.header("content-type") or "").startswith("text/html")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_another_kind_of_body_is_refused(world: SignInWorld, path: str, kind: str) -> None:
    """`text/plain` is what a stranger's page can send without being asked."""
    headers = [("content-type", kind)] if kind else []
    answer = fetch(world.gateway.port, "POST", path, headers=[*headers, ("origin", world.url)], body=b'{"a":1}')
    assert answer.status == 415
    says_so(answer, path)


@pytest.mark.parametrize("path", POSTS)
def test_a_field_that_stands_twice_is_refused(world: SignInWorld, path: str) -> None:
    body = b"grant_type=refresh_token&grant_type=refresh_token"
    answer = fetch(world.gateway.port, "POST", path, headers=[FORM], body=body)
    assert answer.status == 400
    says_so(answer, path)


@pytest.mark.parametrize("path", POSTS)
def test_a_compressed_form_is_refused(world: SignInWorld, path: str) -> None:
    headers = [FORM, ("content-encoding", "gzip")]
    answer = fetch(world.gateway.port, "POST", path, headers=headers, body=b"\x1f\x8b")
    assert answer.status == 415
    says_so(answer, path)


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_other_methods_are_refused(world: SignInWorld, method: str, path: str) -> None:
    allowed = {one for one, where in OPEN if where == path}
    for other in {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} - allowed:
        answer = fetch(world.gateway.port, other, path, headers=[FORM], body=b"" if other != "GET" else None)
        assert answer.status == 405, other
        assert set((answer.header("allow") or "").split(", ")) - {"HEAD"} == allowed
        if method == "POST":
            says_so(answer, path)


def test_unknown_fields_are_welcome(world: SignInWorld) -> None:
    """Clients update by themselves."""
    fields = {"surface": "claude_code", "client_id": "x", "scope": "openid", "of_tomorrow": "1"}
    assert world.post("/oauth/device_authorization", fields).status == 200


def odd_text(chance: random.Random) -> bytes:
    kind = chance.randrange(7)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return b"%" + chance.randbytes(2) + b"%zz%00%ff%0d%0a"
    if kind == 2:
        return ("eyJ" + "A" * chance.randrange(300) + "." * chance.randrange(5)).encode()
    if kind == 3:
        return chance.choice(["cgr_", "cgd_", "BBBB-BBB", "-", "../..", "' OR 1=1 --", "\u202e\u0000é€"]).encode()
    if kind == 4:
        return b"A" * chance.randrange(20_000)
    if kind == 5:
        return b"urn:ietf:params:oauth:grant-type:device_code"
    return b"refresh_token"


def odd_form(chance: random.Random) -> bytes:
    pairs = [chance.choice(NAMES).encode() + b"=" + odd_text(chance) for _ in range(chance.randrange(5))]
    return chance.choice([b"&", b";", b"&&", b"\r\n"]).join(pairs)


@pytest.mark.parametrize(("method", "path"), OPEN)
@pytest.mark.timeout(240)
def test_2000_odd_calls_do_no_harm(world: SignInWorld, method: str, path: str) -> None:
    chance = random.Random(f"{method} {path}")
    before = world.gateway.resident_bytes()
    statuses: set[int] = set()
    left = CALLS
    while left:
        with connect(world.gateway.port) as client:
            try:
                while left:
                    left -= 1
                    form = odd_form(chance)
                    if method == "GET":
                        target = f"{path}?{''.join(chr(byte) for byte in form if 33 <= byte < 127)[:8000]}"
                        answer = client.request("GET", target)
                    else:
                        headers = [FORM, ("origin", world.url)]
                        answer = client.request("POST", path, headers=headers, body=form)
                    statuses.add(answer.status)
            except (ClosedEarlyError, ConnectionError):
                continue
    assert not [status for status in statuses if status >= 500], statuses
    assert world.gateway.running
    eventually(
        lambda: world.gateway.resident_bytes() - before < GROWTH,
        what=f"memory near {before >> 20} MiB, not {world.gateway.resident_bytes() >> 20}",
    )
    device = world.begin()
    assert world.approve(device).status == 200
    tokens_of(world.poll(device))
