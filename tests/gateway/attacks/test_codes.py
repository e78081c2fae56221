"""Guessing codes, and making somebody else approve one's own."""

from urllib.parse import urlencode

import pytest
from tests.standins.raw_client import Response, connect, fetch
from tests.standins.sign_in import DEVICE_GRANT, FORM, SignInWorld, tokens_of
from tests.standins.web_person import Page, WebPerson

from gateway_proxy.web.oauth.limits import UNKNOWN_TOKENS

LIMITS = {"signInRateLimits": {"deviceAuthorizationsPer10Minutes": 4, "codeSubmissionsPer10Minutes": 5}}


@pytest.fixture
def limited(world: SignInWorld) -> SignInWorld:
    """A gateway behind a trusted proxy, so that tests come from addresses of their own."""
    world.load(http=LIMITS | {"trustedProxies": ["127.0.0.0/8"]})
    return world


def submit(
    world: SignInWorld, code: str, address: str, *, origin: str | None = None, path: str = "/device"
) -> Response:
    headers = [FORM, ("origin", origin or world.url), ("x-forwarded-for", address)]
    return fetch(world.gateway.port, "POST", path, headers=headers, body=f"user_code={code}".encode())


def test_guessing_codes_ends_soon_for_an_address(limited: SignInWorld) -> None:
    device = limited.begin()
    address = "203.0.113.7"
    assert [submit(limited, f"BBBB-BBB{last}", address).status for last in "BCDFG"] == [400] * 5
    for path in ("/device", "/device/deny"):
        refused = submit(limited, device.user_code, address, path=path)
        assert refused.status == 429, "the right one too"
        assert 0 < int(refused.header("retry-after") or 0) <= 630
        assert limited.gateway.audit_of(refused)["reason"] == "TooManyCodes"
    assert limited.poll(device).json()["error"] == "authorization_pending"
    assert submit(limited, device.user_code, "203.0.113.8").status == 302, "others are not held up"


def test_a_spoofed_header_is_no_new_address(limited: SignInWorld) -> None:
    for number in range(5):
        submit(limited, "BBBB-BBBB", f"198.51.100.{number}, 203.0.113.9")
    assert submit(limited, "BBBB-BBBB", "198.51.100.77, 203.0.113.9").status == 429


def test_sign_ins_of_an_address_are_limited(limited: SignInWorld) -> None:
    headers = [("x-forwarded-for", "203.0.113.10")]
    path = "/oauth/device_authorization"
    answers = [limited.post(path, {}, headers=headers) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 4 + [429] * 2
    assert int(answers[-1].header("retry-after") or 0) > 0
    assert answers[-1].json()["error"] == "slow_down"


@pytest.mark.parametrize(
    ("path", "form", "status", "address"),
    [
        ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "cgr_made-up"}, 401, "203.0.113.20"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": "cgd_made-up"}, 400, "203.0.113.21"),
        ("/oauth/revoke", {"token": "cgr_made-up"}, 200, "203.0.113.22"),
    ],
)
def test_tokens_that_nobody_gave_out_end_soon_for_an_address(
    world: SignInWorld, path: str, form: dict[str, str], status: int, address: str
) -> None:
    """Each is a call of the store, which everybody shares."""
    tokens = world.sign_in()
    world.load(http={"trustedProxies": ["127.0.0.0/8"]})
    headers, body = [FORM, ("x-forwarded-for", address)], urlencode(form).encode()
    with connect(world.gateway.port) as client:
        answers = [client.request("POST", path, headers=headers, body=body) for _ in range(UNKNOWN_TOKENS + 1)]
    assert {answer.status for answer in answers[:-1]} == {status}
    refused = answers[-1]
    assert (refused.status, refused.json()["error"]) == (429, "slow_down")
    assert 0 < int(refused.header("retry-after") or 0) <= 630
    assert world.refresh(tokens.refresh).status == 200, "others are not held up"


def test_an_ipv6_customer_is_one_address(limited: SignInWorld) -> None:
    path = "/oauth/device_authorization"
    found = [limited.post(path, {}, headers=[("x-forwarded-for", f"2001:db8::{number}")]) for number in range(1, 6)]
    assert [answer.status for answer in found] == [200] * 4 + [429]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://localhost:{port}",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "HTTP://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/device", "/device/deny"])
def test_a_strangers_page_cannot_send_the_form(world: SignInWorld, origin: str, path: str) -> None:
    """CSRF: the browser says where a form comes from."""
    device = world.begin()
    headers = [FORM, ("origin", origin.format(port=world.gateway.port))]
    body = f"user_code={device.user_code}".encode()
    answer = fetch(world.gateway.port, "POST", path, headers=headers, body=body)
    assert answer.status == 403
    assert world.poll(device).json()["error"] == "authorization_pending"


def test_a_form_that_does_not_say_where_it_comes_from_is_refused(world: SignInWorld) -> None:
    device = world.begin()
    answer = world.post("/device", {"user_code": device.user_code})
    assert answer.status == 403
    assert f"{world.url}/device" in answer.body.decode()


def test_a_code_in_a_link_is_shown_and_never_sent(world: SignInWorld) -> None:
    """What a phisher can do is show somebody a code; no request of the page itself follows."""
    device = world.begin()
    page = WebPerson().open(device.answer["verification_uri_complete"])
    assert page.status == 200
    assert "<script" not in page.html
    assert "http-equiv" not in page.html.lower()
    assert "Did somebody send you this link?" in page.text
    assert world.poll(device).json()["error"] == "authorization_pending"


def headers_of(page: Page) -> dict[str, str]:
    return {name.lower(): value for name, value in page.headers.items()}


def test_no_page_can_be_framed_or_run_a_script(world: SignInWorld) -> None:
    """Clickjacking, and whatever markup might get into a page."""
    device = world.begin()
    person = WebPerson()
    shown = person.open(device.answer["verification_uri_complete"])
    pages = [
        person.open(f"{world.url}/device"),
        shown,
        person.open(f"{world.url}/device?user_code=<script>alert(1)</script>"),
        person.open(f"{world.url}/oauth/callback?state=x&code=y"),
        shown.submit("Continue"),
    ]
    for page in pages:
        headers = headers_of(page)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "<script" not in page.html
    assert f"form-action 'self' {world.idp.issuer}" in headers_of(shown)["content-security-policy"]
    tokens_of(world.poll(device))


def test_a_device_code_is_not_a_user_code_and_no_token_is_a_device_code(world: SignInWorld) -> None:
    device = world.begin()
    for code in (device.user_code, device.device_code[:-1], device.device_code.upper(), ""):
        answer = world.post(
            "/oauth/token", {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code}
        )
        assert answer.status == 400
        assert answer.json()["error"] in ("invalid_grant", "invalid_request")
    world.approve(device)
    tokens = world.redeem(device)
    for token in (tokens.access, tokens.refresh):
        answer = world.post(
            "/oauth/token", {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": token}
        )
        assert answer.json()["error"] == "invalid_grant"
    assert world.refresh(tokens.access).status == 401
    assert world.models(tokens.refresh).status == 401
