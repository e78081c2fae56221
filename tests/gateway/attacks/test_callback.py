"""The way back from the identity provider: replays, states and codes of others, other issuers, other browsers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from tests.standins import framing
from tests.standins.gateway import eventually
from tests.standins.identity_provider import Asked, IdentityProvider
from tests.standins.raw_client import Response, fetch
from tests.standins.sign_in import FORM, Device, SignInWorld, oidc, tokens_of


class Trip:
    """A browser that has been sent to the provider and has not come back."""

    def __init__(self, world: SignInWorld, device: Device, *, origin: str | None = None, **fields: str) -> None:
        self.world = world
        body = urlencode({"user_code": device.user_code, **fields}).encode()
        headers = [FORM, ("origin", origin or world.url)]
        answer = fetch(world.gateway.port, "POST", "/device", headers=headers, body=body)
        assert answer.status == 302, answer
        self.location = answer.header("location") or ""
        self.set_cookie = answer.header("set-cookie") or ""
        self.cookie = self.set_cookie.partition(";")[0]
        self.query = dict(parse_qsl(urlsplit(self.location).query))

    def code(self, **changes: str) -> str:
        """What the provider gives for this trip, or for one that asked something else."""
        return self.world.idp.authorize(self.query | changes)["code"]

    def back(
        self, *, cookie: str | None = "own", pod: int = 0, headers: framing.Headers = (), **fields: str
    ) -> Response:
        given = {"state": self.query["state"], **fields}
        headers = framing.pairs(headers)
        if cookie is not None:
            headers = [*headers, ("cookie", self.cookie if cookie == "own" else cookie)]
        return fetch(self.world.ports[pod], "GET", f"/oauth/callback?{urlencode(given)}", headers=headers)


def still_waits(world: SignInWorld, device: Device) -> bool:
    error: str = world.poll(device).json()["error"]
    return error in ("authorization_pending", "slow_down")


def test_the_cookie_is_the_browsers_alone(world: SignInWorld) -> None:
    trip = Trip(world, world.begin())
    assert "HttpOnly" in trip.set_cookie
    assert "SameSite=Lax" in trip.set_cookie
    assert "Max-Age=600" in trip.set_cookie


def test_over_tls_the_cookie_is_bound_to_the_host(world: SignInWorld) -> None:
    world.load(publicURL="https://claude.corp.example")
    world.idp.pkce = False  # the redirect URI is another, which the provider would find wrong
    device = world.begin()
    headers = [FORM, ("origin", "https://claude.corp.example")]
    body = f"user_code={device.user_code}".encode()
    answer = fetch(world.gateway.port, "POST", "/device", headers=headers, body=body)
    cookie = answer.header("set-cookie") or ""
    assert cookie.startswith("__Host-sign-in-")
    assert "; Secure" in cookie
    assert "Domain" not in cookie
    assert "Path=/;" in cookie


def test_a_public_url_in_another_spelling_is_the_same_origin(world: SignInWorld) -> None:
    """A browser writes the origin of a form in lower case and without the default port."""
    origin = "https://claude.corp.example"
    world.load(publicURL="https://Claude.Corp.Example:443")
    world.idp.redirect_uri = f"{origin}/oauth/callback"
    try:
        discovered = fetch(world.gateway.port, "GET", "/.well-known/oauth-authorization-server").json()
        device = world.begin()
        trip = Trip(world, device, origin=origin)
        assert trip.back(code=trip.code()).status == 200
        tokens = world.redeem(device)
    finally:
        world.idp.redirect_uri = f"{world.url}/oauth/callback"
    assert discovered["issuer"] == origin
    assert all(value.startswith(f"{origin}/") for name, value in discovered.items() if name.endswith("_endpoint"))
    assert device.answer["verification_uri"] == f"{origin}/device"
    assert world.models(tokens.access).status == 200


def test_a_callback_is_good_once(world: SignInWorld) -> None:
    device = world.begin()
    trip = Trip(world, device)
    code = trip.code()
    assert trip.back(code=code).status == 200
    again = trip.back(code=code, pod=1)
    assert again.status in (400, 403)
    assert trip.back(code=trip.code()).status == 400, "nor with another code"
    tokens_of(world.poll(device))


def test_a_callback_in_another_browser_is_refused(world: SignInWorld) -> None:
    """Login CSRF: an attacker's code, with the attacker's state, in a victim's browser; or a stolen code."""
    device = world.begin()
    trip, other = Trip(world, device), Trip(world, world.begin())
    code = trip.code()
    for cookie in (None, other.cookie, f"{trip.cookie.partition('=')[0]}={other.cookie.partition('=')[2]}", "x=y"):
        assert trip.back(cookie=cookie, code=code).status == 400
    assert world.line("device.callback", reason="OtherBrowser")["outcome"] == "refused"
    assert still_waits(world, device)


def test_a_state_of_another_sign_in_does_not_carry_a_code_over(world: SignInWorld) -> None:
    """The nonce and the verifier belong to one state: a code of another trip fits neither."""
    one, two = world.begin(), world.begin()
    first, second = Trip(world, one), Trip(world, two)
    answer = first.back(code=second.code())
    assert answer.status == 403
    assert still_waits(world, two)
    assert world.poll(one).json()["error"] != "expired_token"


def test_the_nonce_of_another_trip_is_refused(world: SignInWorld, idp: IdentityProvider) -> None:
    """A provider, or somebody between, that gives out a token made for another sign-in."""
    device = world.begin()
    trip = Trip(world, device)
    code = trip.code(nonce="another-nonce-of-another-trip")
    assert trip.back(code=code).status == 403
    assert world.line("device.callback", reason="IdentityTokenInvalid")


def test_a_later_trip_replaces_the_one_before(world: SignInWorld) -> None:
    device = world.begin()
    before, after = Trip(world, device), Trip(world, device)
    assert before.back(code=before.code()).status == 400
    assert still_waits(world, device)
    assert after.back(code=after.code()).status == 200


def test_each_way_back_that_is_refused_says_why(world: SignInWorld) -> None:
    """On the page, in an audit line and in the log."""
    trip = Trip(world, world.begin())
    pages = {"OtherBrowser": trip.back(cookie=None, code="x"), "StateInvalid": trip.back(state="x", code="x")}
    assert trip.back(code=trip.code()).status == 200
    pages["SignInOver"] = trip.back(code="x")
    assert len({page.body.partition(b"<main")[2].partition(b"</p>")[0] for page in pages.values()}) == 3
    for reason, page in pages.items():
        assert page.status == 400
        request_id = page.header("x-request-id")
        assert world.line("device.callback", request_id=request_id)["reason"] == reason
        lines = [line for line in world.gateway.logs() if line.get("request_id") == request_id]
        assert [line["reason"] for line in lines] == [reason]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: "",
        lambda state: state[:-1],
        lambda state: state[:-2] + ("AA" if state[-2:] != "AA" else "BB"),
        lambda state: state.swapcase(),
        lambda state: state * 20,
        lambda state: "A" * len(state),
        lambda state: "\x00é",
    ],
)
def test_a_state_that_was_changed_is_refused(world: SignInWorld, change: Callable[[str], str]) -> None:
    device = world.begin()
    trip = Trip(world, device)
    query = f"state={quote(change(trip.query['state']))}&code={trip.code()}"
    answer = fetch(world.gateway.port, "GET", f"/oauth/callback?{query}", headers=[("cookie", trip.cookie)])
    assert answer.status == 400
    assert still_waits(world, device)


def test_a_denied_or_finished_sign_in_is_not_approved(world: SignInWorld) -> None:
    device = world.begin()
    trip = Trip(world, device)
    headers = [FORM, ("origin", world.url)]
    body = f"user_code={device.user_code}".encode()
    assert fetch(world.gateway.port, "POST", "/device/deny", headers=headers, body=body).status == 200
    assert trip.back(code=trip.code()).status == 400
    assert world.poll(device).json()["error"] == "access_denied"


def test_providers_are_not_mixed_up(world: SignInWorld, idp: IdentityProvider) -> None:
    """RFC 9207: an answer of one provider is not taken for another's."""
    with IdentityProvider(redirect_uri=f"{world.url}/oauth/callback") as evil:
        evil.client_secret = idp.client_secret
        world.load(identity={"oidc": [oidc("corporate", idp.issuer), oidc("partner", evil.issuer)]})
        device = world.begin()
        trip = Trip(world, device, provider="corporate")
        assert trip.location.startswith(idp.issuer)
        assert trip.back(code=trip.code(), iss=evil.issuer).status == 403
        second = Trip(world, world.begin(), provider="corporate")
        assert second.back(code=evil.authorize(second.query)["code"]).status == 403
        assert world.line("device.callback", reason="IdentityTokenInvalid")
        assert evil.asked("/token") == 0, "the code of one is never sent to the other"


def test_with_several_providers_a_person_chooses(world: SignInWorld, idp: IdentityProvider) -> None:
    world.load(identity={"oidc": [oidc("corporate", idp.issuer), oidc("partner", idp.issuer + "/other")]})
    device = world.begin()
    page = world.approve(device)
    assert page.status == 200
    assert "corporate" in page.text
    assert page.submit("Continue with corporate").status == 200
    tokens_of(world.poll(device))


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "http://127.0.0.1:9/x"],
)
def test_nobody_is_sent_anywhere_else(world: SignInWorld, target: str) -> None:
    """Open redirects: no parameter of any page leads away."""
    names = ("redirect_uri", "next", "return_to", "url", "iss", "provider", "state", "code", "error", "error_uri")
    for path in ("/device", "/oauth/callback", "/", "/device/deny"):
        query = urlencode(dict.fromkeys(names, target))
        answer = fetch(world.gateway.port, "GET", f"{path}?{query}")
        assert not 300 <= answer.status < 400
        assert answer.header("location") is None
    device = world.begin()
    fields: dict[str, Any] = {"user_code": device.user_code, "redirect_uri": target, "next": target}
    trip = Trip(world, device, **{name: value for name, value in fields.items() if name != "user_code"})
    assert trip.location.startswith(f"{world.idp.issuer}/authorize?")
    assert trip.query["redirect_uri"] == f"{world.url}/oauth/callback"


def test_the_host_header_does_not_move_the_gateway(world: SignInWorld) -> None:
    headers = [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")]
    said = world.gateway.get("/.well-known/oauth-authorization-server", headers=headers).json()
    assert "evil.example" not in str(said)
    answer = world.post("/oauth/device_authorization", {}, headers=headers)
    assert "evil.example" not in answer.body.decode()


def test_asking_for_the_head_alone_uses_nothing_up(world: SignInWorld) -> None:
    device = world.begin()
    trip = Trip(world, device)
    code = trip.code()
    query = urlencode({"state": trip.query["state"], "code": code})
    head = fetch(world.gateway.port, "HEAD", f"/oauth/callback?{query}", headers=[("cookie", trip.cookie)])
    assert head.status == 405
    assert trip.back(code=code).status == 200


@pytest.mark.parametrize(
    "address",
    [
        "https://login.ex\u00e4mple/authorize",
        "https://login.example/\u20ac",
        "https://x\r\nset-cookie: a=b/authorize",
        7,
        "",
    ],
)
def test_an_address_that_a_provider_makes_up_breaks_nothing(tmp_path: Path, address: object) -> None:
    with IdentityProvider() as idp, SignInWorld(tmp_path / "world", idp) as world:
        idp.discovery["authorization_endpoint"] = address
        device = eventually(lambda: sign_in_begun(world), what="the store made ready")
        page = world.approve(device)
        assert page.status == 503
        assert world.poll(device).json()["error"] == "authorization_pending"


def sign_in_begun(world: SignInWorld) -> Device | None:
    return world.begin() if world.post("/oauth/device_authorization", {}).status == 200 else None


def test_a_callback_that_is_loaded_again_meanwhile_gets_the_same_answer(
    world: SignInWorld, idp: IdentityProvider
) -> None:
    """A person who presses reload: the provider takes the code once, and they are signed in."""
    device = world.begin()
    trip = Trip(world, device)
    code = trip.code()
    before = idp.asked("/token")
    go_on = threading.Event()

    def slowly(asked: Asked) -> Any:
        assert go_on.wait(15)
        return idp._token(asked)

    idp.answers["/token"] = slowly
    with ThreadPoolExecutor(2) as threads:
        loads = [threads.submit(trip.back, code=code)]
        idp.wait_for(lambda: idp.asked("/token") > before, what="the code")
        loads.append(threads.submit(trip.back, code=code))
        eventually(lambda: len(world.gateway.audit("device.verify")) >= 1, what="both on their way")
        go_on.set()
        pages = [load.result() for load in loads]
    assert pages[0].status == 200
    assert pages[1].status in (200, 400), "400 where it came too late to share"
    tokens_of(world.poll(device))


def test_the_provider_is_not_asked_once_a_sign_in_is_over(world: SignInWorld, idp: IdentityProvider) -> None:
    """One state and its cookie are no means to send the gateway to the provider again and again."""
    trip = Trip(world, world.begin())
    assert trip.back(code=trip.code()).status == 200
    asked = idp.asked("/token")
    for number in range(20):
        assert trip.back(code=f"made-up-{number}", pod=number % 2).status == 400
    assert idp.asked("/token") == asked
    assert world.line("device.callback", reason="SignInOver")["outcome"] == "refused"


def test_codes_that_browsers_bring_back_are_counted(world: SignInWorld, idp: IdentityProvider) -> None:
    trip = Trip(world, world.begin())
    limits = {"deviceAuthorizationsPer10Minutes": 100, "codeSubmissionsPer10Minutes": 5}
    world.load(http={"signInRateLimits": limits, "trustedProxies": ["127.0.0.0/8"]})
    address = [("x-forwarded-for", "203.0.113.66")]
    asked = idp.asked("/token")
    answers = [trip.back(code=f"made-up-{number}", headers=address) for number in range(8)]
    assert [answer.status for answer in answers] == [403] * 5 + [429] * 3
    assert int(answers[-1].header("retry-after") or 0) > 0
    assert idp.asked("/token") - asked == 5
    assert trip.back(error="access_denied", headers=address).status == 429, "nor may it write the log full"


def test_a_code_that_the_provider_does_not_take_leaves_the_sign_in_open(world: SignInWorld) -> None:
    device = world.begin()
    assert Trip(world, device).back(code="made-up").status == 403
    assert still_waits(world, device)
    again = Trip(world, device)
    assert again.back(code=again.code()).status == 200
