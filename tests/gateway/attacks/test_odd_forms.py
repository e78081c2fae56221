"""Bodies and queries of every kind at the open paths: refused with a sentence, nothing lost, nothing grown."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, suppress
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
PAGES: Final = tuple(("GET", path) for path in ("/", "/protocol", "/healthz", "/readyz", "/api/hello"))
CLOSED: Final = (
    ("GET", "/managed/settings"),
    ("GET", "/user/bootstrap"),
    ("POST", "/v1/metrics"),
    ("POST", "/v1/logs"),
    ("POST", "/v1/traces"),
    ("GET", "/v1/models"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/organizations/sessions"),
    ("POST", "/v1/organizations/sessions/revoke"),
)
"""Whoever has no credential may knock here too."""
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


def odd_query(chance: random.Random) -> str:
    return "".join(chr(byte) for byte in odd_form(chance) if 33 <= byte < 127)[:8000]


def odd_credentials(chance: random.Random) -> list[tuple[str, str]]:
    text = "".join(chr(byte) for byte in odd_text(chance) if 32 <= byte < 127)[:6000]
    kind = chance.choice(
        ["", "Bearer ", "bearer cgk_", "Basic ", "Bearer eyJhbGciOiJIUzI1NiJ9.", "Bearer sk-ant-oat01-"]
    )
    both = [("authorization", kind + text), ("x-api-key", chance.choice(["", "cga_", "cgk_"]) + text)]
    return both[chance.randrange(2) :][: chance.randrange(3)]


def odd_calls(world: SignInWorld, method: str, path: str) -> Iterator[tuple[str, list[tuple[str, str]], bytes | None]]:
    """From as many addresses, so that no limit of one keeps them at the door."""
    chance = random.Random(f"{method} {path}")
    for number in range(CALLS):
        headers = [("x-forwarded-for", f"198.51.{number >> 8}.{number & 255}")]
        if (method, path) in CLOSED:
            headers += odd_credentials(chance)
        if method == "GET":
            yield f"{path}?{odd_query(chance)}", headers, None
        else:
            yield path, [*headers, FORM, ("origin", world.url)], odd_form(chance)


@pytest.mark.parametrize(("method", "path"), [*OPEN, *PAGES, *CLOSED])
@pytest.mark.timeout(240)
def test_2000_odd_calls_do_no_harm(world: SignInWorld, method: str, path: str) -> None:
    limits = {"deviceAuthorizationsPer10Minutes": 100_000, "codeSubmissionsPer10Minutes": 100_000}
    world.load(http={"signInRateLimits": limits, "trustedProxies": ["127.0.0.0/8"]})
    before = [pod.resident_bytes() for pod in world.pods]
    statuses: set[int] = set()
    calls = odd_calls(world, method, path)
    left = CALLS
    while left:
        with ExitStack() as stack:
            clients = [stack.enter_context(connect(port)) for port in world.ports]
            with suppress(ClosedEarlyError, ConnectionError):
                for target, headers, body in calls:
                    left -= 1
                    answer = clients[left % len(clients)].request(method, target, headers=headers, body=body)
                    statuses.add(answer.status)
    assert not [status for status in statuses if status >= 500], statuses
    if (method, path) in CLOSED:
        assert statuses <= {400, 401, 413}, "nobody is let in"
    for pod, held in zip(world.pods, before, strict=True):
        assert pod.running
        eventually(
            lambda pod=pod, held=held: pod.resident_bytes() - held < GROWTH,
            what=f"memory near {held >> 20} MiB, not {pod.resident_bytes() >> 20}",
        )
    device = world.begin()
    assert world.approve(device).status == 200
    tokens_of(world.poll(device))
