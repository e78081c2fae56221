"""A sign-in in a real browser, against a real gateway and an identity provider: what a browser enforces on the way
(content policy, cookies, origins) does not stand in it, and stops a stranger."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme
from playwright.sync_api import Browser, Page, expect
from tests.standins.gateway import free_port
from tests.standins.identity_provider import Asked, IdentityProvider
from tests.standins.page_server import PageServer
from tests.standins.sign_in import SignInWorld, oidc, tokens_of

from gateway_proxy.web.responses import Response

pytestmark = pytest.mark.timeout(600)
"""The first test may have to install the browser."""


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory, idp: IdentityProvider) -> Iterator[SignInWorld]:
    with SignInWorld(tmp_path_factory.mktemp("world"), idp) as world:
        yield world


@pytest.fixture
def world(shared_world: SignInWorld, idp: IdentityProvider) -> Iterator[SignInWorld]:
    idp.begin_test()
    shared_world.begin_test()
    yield shared_world
    shared_world.end_test()
    assert idp.problems == []


def test_by_typing_the_code(world: SignInWorld, page: Page) -> None:
    device = world.begin()
    page.goto(f"{world.url}/device")
    page.keyboard.type(device.user_code.lower())
    page.keyboard.press("Enter")
    expect(page.get_by_text("alice@corp.example")).to_be_visible()
    assert page.url.startswith(f"{world.url}/oauth/callback?")
    assert world.models(world.redeem(device).access).status == 200
    assert page.context.cookies() == [], "nothing is left in the browser"


def test_by_the_link_that_the_client_opens(world: SignInWorld, page: Page) -> None:
    device = world.begin()
    page.goto(device.answer["verification_uri_complete"])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("alice@corp.example")).to_be_visible()
    tokens_of(world.poll(device))


def test_by_choosing_a_provider(world: SignInWorld, page: Page, idp: IdentityProvider) -> None:
    with IdentityProvider(redirect_uri=f"{world.url}/oauth/callback") as partner:
        partner.client_secret = idp.client_secret
        partner.claims["email"] = "bob@partner.example"
        world.load(identity={"oidc": [oidc("corporate", idp.issuer), oidc("partner", partner.issuer)]})
        device = world.begin()
        page.goto(device.answer["verification_uri_complete"])
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="partner").click()
        expect(page.get_by_text("bob@partner.example")).to_be_visible()
        assert world.redeem(device).answer["email"] == "bob@partner.example"


def test_denying(world: SignInWorld, page: Page) -> None:
    device = world.begin()
    page.goto(device.answer["verification_uri_complete"])
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url("**/device/deny")
    assert world.poll(device).json()["error"] == "access_denied"


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
