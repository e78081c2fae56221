"""What an identity provider's claims may try: lines in a log, headers in an answer, markup on a page."""

import pytest
from tests.standins.gateway import eventually
from tests.standins.identity_provider import IdentityProvider
from tests.standins.sign_in import SignInWorld

MARKUP = "<img src=x onerror=alert(1)>"


def test_markup_in_a_name_is_text(world: SignInWorld, idp: IdentityProvider) -> None:
    idp.claims = {"sub": MARKUP, "groups": ["engineering"]}
    device = world.begin()
    page = world.approve(device)
    assert page.status == 200
    assert "<img" not in page.html
    assert MARKUP in page.text
    assert world.models(world.redeem(device).access).status == 200
    assert world.line("session.mint", sub=MARKUP)


@pytest.mark.parametrize("character", ["\r\n", "\n", "\0", "\u2028", "\x1b[2J", "\u202e"])
@pytest.mark.parametrize("claim", ["sub", "email", "groups"])
def test_control_characters_in_a_claim_sign_nobody_in(
    world: SignInWorld, idp: IdentityProvider, claim: str, character: str
) -> None:
    value = f'alice{character}set-cookie: x=y{character}{{"event":"session.mint"}}'
    idp.claims[claim] = [value, "engineering"] if claim == "groups" else value
    device = world.begin()
    page = world.approve(device)
    if page.status == 200:
        # What is left out of a person is nowhere.
        assert claim in ("groups", "email")
        tokens = world.redeem(device)
        assert character not in str(tokens.answer)
    else:
        assert page.status == 403
    names = {name.lower() for name in page.headers}
    assert "x" not in names
    assert all("set-cookie: x" not in value for value in page.headers.values())
    world.gateway.audit()  # fails on a line that is not JSON


def test_a_provider_cannot_put_a_line_into_the_log_by_an_error(world: SignInWorld, idp: IdentityProvider) -> None:
    idp.answers["/token"] = lambda asked: (
        400,
        {"error": 'invalid\n{"event":"session.mint","sub":"root"}', "error_description": "\x1b[31mx" * 10_000},
    )
    device = world.begin()
    page = world.approve(device)
    assert page.status == 403
    assert "session.mint" not in page.html
    eventually(
        lambda: [line for line in world.gateway.logs() if line.get("event") == "sign_in.failed"], what="the log's line"
    )
    assert not [line for line in world.gateway.logs() if line.get("sub") == "root"]
    assert not [line for line in world.gateway.audit() if line.get("sub") == "root"]
    assert max(len(line) for line in world.gateway.log_text().splitlines()) < 4096


def test_a_providers_error_parameter_is_not_repeated(world: SignInWorld, idp: IdentityProvider) -> None:
    idp.authorize = lambda query: {  # type: ignore[method-assign]
        "error": "<b>x</b>\r\nset-cookie: a=b",
        "error_description": "<script>alert(1)</script>",
        "state": query["state"],
    }
    try:
        page = world.approve(world.begin())
    finally:
        del idp.authorize
    assert page.status == 403
    assert "<b>x" not in page.html
    assert "alert(1)" not in page.html
    assert "a=b" not in str(page.headers)


def test_ten_thousand_groups_are_a_person_or_a_refusal(world: SignInWorld, idp: IdentityProvider) -> None:
    idp.claims["groups"] = ["engineering", *(f"group-{number}" for number in range(3000))]
    device = world.begin()
    page = world.approve(device)
    if page.status == 200:
        access = world.redeem(device).access
        assert len(access) < 8192
        assert world.models(access).status == 200
    else:
        assert page.status in (403, 503)


def test_a_client_cannot_put_anything_into_the_log_by_its_surface(world: SignInWorld) -> None:
    surface = 'x\r\n{"event":"session.mint"}\x1b[2J' + "y" * 5000
    assert world.post("/oauth/device_authorization", {"surface": surface}).status == 200
    line = world.line("device.authorize", surface=('x{"event":"session.mint"}[2J' + "y" * 5000)[:64])
    assert line["client"] == "127.0.0.1"
