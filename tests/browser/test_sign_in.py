"""A person signs in with Chromium: gateway, identity provider and back, on real pages of all of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme
from playwright.sync_api import Browser, Page, expect
from tests.oidc_provider import provider as whole
from tests.standins.identity_provider import Asked, IdentityProvider
from tests.standins.manifests import secret
from tests.standins.page_server import PageServer
from tests.standins.ports import free_port
from tests.standins.sign_in import SignInWorld, oidc, tokens_of

from gateway_proxy.web.responses import Response

pytestmark = pytest.mark.timeout(600)
"""The first test may have to install the browser."""

COMPLAINTS = """
addEventListener("securitypolicyviolation", e => console.error("violation of " + e.violatedDirective));
"""


@pytest.fixture
def tab(page: Page) -> Iterator[Page]:
    """Whatever a page breaks of its own rules fails the test."""
    said: list[str] = []
    page.add_init_script(COMPLAINTS)
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield page
    assert [text for text in said if "violation" in text or "Content Security" in text] == []


def heading(tab: Page, text: str) -> None:
    expect(tab.get_by_role("heading", level=1)).to_have_text(text)


def test_the_link_of_the_terminal_leads_to_a_session(world: SignInWorld, tab: Page) -> None:
    device = world.begin()
    tab.goto(device.answer["verification_uri_complete"])
    heading(tab, "Is this your code?")
    expect(tab.locator(".code [aria-hidden]")).to_have_text(device.user_code)
    assert world.poll(device).json()["error"] == "authorization_pending"
    tab.get_by_role("button", name="Continue").click()
    heading(tab, "You are signed in")
    expect(tab.get_by_role("main")).to_contain_text("alice@corp.example")
    tokens = world.redeem(device)
    assert world.models(tokens.access).status == 200
    assert tab.context.cookies() == []


def test_a_code_is_typed_as_people_type(world: SignInWorld, tab: Page) -> None:
    device = world.begin()
    tab.goto(f"{world.url}/device")
    expect(tab.get_by_role("textbox", name="Code")).to_be_focused()
    tab.keyboard.type(f" {device.user_code.lower().replace('-', ' ')}")
    tab.keyboard.press("Enter")
    heading(tab, "You are signed in")
    assert world.models(world.redeem(device).access).status == 200


def test_a_wrong_code_is_told_at_the_field_and_the_right_one_follows(world: SignInWorld, tab: Page) -> None:
    device = world.begin()
    tab.goto(f"{world.url}/device")
    tab.get_by_label("Code").fill("BBBB-BBBB")
    tab.get_by_role("button", name="Continue").click()
    expect(tab.get_by_role("alert")).to_contain_text("No sign-in waits under this code")
    expect(tab.get_by_label("Code")).to_be_focused()
    tab.get_by_label("Code").fill(device.user_code)
    tab.get_by_role("button", name="Continue").click()
    heading(tab, "You are signed in")


def test_a_person_denies(world: SignInWorld, tab: Page) -> None:
    device = world.begin()
    tab.goto(device.answer["verification_uri_complete"])
    tab.get_by_role("button", name="Deny").click()
    heading(tab, "Sign-in denied")
    assert world.poll(device).json()["error"] == "access_denied"


def test_one_of_two_providers_is_chosen(world: SignInWorld, idp: IdentityProvider, tab: Page) -> None:
    with IdentityProvider(redirect_uri=f"{world.url}/oauth/callback") as partner:
        partner.client_secret = idp.client_secret
        partner.claims["email"] = "bob@partner.example"
        world.load(identity={"oidc": [oidc("corporate", idp.issuer), oidc("partner", partner.issuer)]})
        device = world.begin()
        tab.goto(device.answer["verification_uri_complete"])
        tab.get_by_role("button", name="Continue").click()
        heading(tab, "Where is your account?")
        tab.get_by_role("button", name="Continue with partner").click()
        heading(tab, "You are signed in")
        assert world.redeem(device).answer["email"] == "bob@partner.example"
        assert partner.problems == []


def test_who_may_not_come_is_told_why(world: SignInWorld, idp: IdentityProvider, tab: Page) -> None:
    world.load(identity={"oidc": [oidc("corporate", idp.issuer, allowedGroups=["engineering"])]})
    idp.claims["groups"] = ["<b>visitors</b>"]
    device = world.begin()
    tab.goto(device.answer["verification_uri_complete"])
    tab.get_by_role("button", name="Continue").click()
    heading(tab, "You are not signed in")
    expect(tab.get_by_role("main")).to_contain_text("group")
    expect(tab.locator("b")).to_have_count(0)
    assert world.poll(device).json()["error"] == "access_denied"


def test_a_name_with_markup_is_only_a_name(world: SignInWorld, idp: IdentityProvider, tab: Page) -> None:
    idp.claims["email"] = "<img/src=x/onerror=alert(1)>@corp.example"
    device = world.begin()
    tab.goto(device.answer["verification_uri_complete"])
    tab.get_by_role("button", name="Continue").click()
    heading(tab, "You are signed in")
    expect(tab.locator("img")).to_have_count(0)


def test_going_back_and_again_signs_nobody_in_twice(world: SignInWorld, tab: Page) -> None:
    device = world.begin()
    tab.goto(device.answer["verification_uri_complete"])
    tab.get_by_role("button", name="Continue").click()
    heading(tab, "You are signed in")
    answer = tab.reload()
    assert answer is not None
    assert answer.status == 400
    expect(tab.get_by_role("link", name="Enter a code")).to_be_visible()
    tokens = world.redeem(device)
    assert world.models(tokens.access).status == 200
    assert world.redeem(device).refresh == tokens.refresh, "asked for once more, it is the same session"


def test_through_the_pages_of_a_certified_provider(world: SignInWorld, tab: Page) -> None:
    """Which sends the browser to several pages of its own, and takes forms itself. npm may have to install it."""
    callback = f"{world.url}/oauth/callback"
    with whole.openid_provider(redirect_uri=callback, groups=["engineering"]) as provider:
        reference: dict[str, Any] = {"clientID": whole.CLIENT_ID, "clientSecretRef": {"name": "whole", "key": "value"}}
        given = oidc("corporate", provider.issuer, extraAuthParams={"prompt": "consent"}, **reference)
        world.load(secret("whole", whole.CLIENT_SECRET), identity={"oidc": [given]})
        device = world.begin()
        tab.goto(device.answer["verification_uri_complete"])
        tab.get_by_role("button", name="Continue").click()
        tab.locator("input[name=login]").fill("alice")
        tab.locator("input[name=password]").fill("any does")
        tab.get_by_role("button", name="Sign-in").click()
        tab.get_by_role("button", name="Continue").click()
        heading(tab, "You are signed in")
        assert world.models(world.redeem(device).access).status == 200


def test_a_stranger_s_page_that_sends_the_form_by_itself(world: SignInWorld, page: Page, server: PageServer) -> None:
    device = world.begin()
    form = (
        f'<form method="post" action="{world.url}/device"><input name="user_code" value="{device.user_code}"></form>'
        "<script>document.forms[0].submit()</script>"
    )
    server.pages["/"] = Response(200, f"<!doctype html>{form}".encode(), {"content-type": "text/html"})
    page.goto(server.url)
    page.wait_for_url(f"{world.url}/device")
    expect(page.get_by_text("not sent from the gateway's own page")).to_be_visible()
    assert world.poll(device).json()["error"] == "authorization_pending"


def test_over_tls_with_a_cookie_of_the_host_alone(tmp_path: Path, idp: IdentityProvider, browser: Browser) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "gateway.test")
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    (folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    idp.begin_test()
    world = SignInWorld(tmp_path / "world", idp)
    world.ports = [free_port()]
    world.url = f"https://localhost:{world.ports[0]}"
    idp.redirect_uri = f"{world.url}/oauth/callback"
    held: list[dict[str, str]] = []

    def hold(asked: Asked) -> tuple[int, dict[str, str]]:
        held.append(asked.query)
        return 200, {}

    try:
        world.trust(authority)
        world.load()
        world.start("--tls-dir", str(folder))
        device = world.begin()
        with browser.new_context(ignore_https_errors=True) as context:
            page = context.new_page()
            idp.answers["/authorize"] = hold
            page.goto(device.answer["verification_uri_complete"])
            page.get_by_role("button", name="Continue").click()
            page.wait_for_url(f"{idp.issuer}/**")
            (cookie,) = context.cookies(world.url)
            page.goto(f"{idp.redirect_uri}?{urlencode(idp.authorize(held[0]))}")
            expect(page.get_by_text("alice@corp.example")).to_be_visible()
            assert context.cookies() == []
        tokens_of(world.poll(device))
    finally:
        for pod in world.pods:
            pod.stop()
    assert cookie["name"].startswith("__Host-")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert idp.problems == []
