"""From the browser's way to the identity provider to who came back."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.proxy.identity.clients import NONCE, STATE, MakeDeveloper
from tests.standins.identity_provider import CLIENT_SECRET, REDIRECT_URI, Asked, IdentityProvider

from gateway_proxy.identity.oidc.failures import (
    IdentityProviderError,
    ProviderUnavailableError,
    SignInRefusedError,
)
from gateway_proxy.identity.person import Person


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


async def test_who_signs_in(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    signed_in = await developer().come_back()
    assert signed_in.person == Person(
        provider="okta",
        subject="00u-alice",
        user="00u-alice",
        email="alice@corp.example",
        groups=("engineering",),
    )
    assert signed_in.refresh_token
    assert signed_in.refresh_token not in repr(signed_in)
    assert idp.problems == []


async def test_the_browser_is_sent_with_everything_that_binds_the_answer(developer: MakeDeveloper) -> None:
    sent = parameters(await developer().url())
    assert sent["state"] == STATE
    assert sent["nonce"] == NONCE
    assert sent["redirect_uri"] == REDIRECT_URI
    assert (sent["response_type"], sent["response_mode"], sent["code_challenge_method"]) == ("code", "query", "S256")
    assert sent["scope"] == "openid profile email offline_access"


async def test_extra_parameters_add_and_never_replace(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.discovery["authorization_endpoint"] += "?realm=corp&state=theirs"
    extra = {"prompt": "select_account", "state": "fixed", "redirect_uri": "https://evil.example", "nonce": "n"}
    url = await developer(extra_auth_params=extra).url()
    sent = parameters(url)
    assert (sent["realm"], sent["prompt"]) == ("corp", "select_account")
    assert (sent["state"], sent["nonce"], sent["redirect_uri"]) == (STATE, NONCE, REDIRECT_URI)
    assert url.count("state=") == 1


async def test_a_scope_that_the_provider_does_not_have_is_not_asked_for(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    idp.discovery["scopes_supported"] = ["openid", "email", "profile"]
    assert parameters(await developer().url())["scope"] == "openid profile email"


async def test_the_form_may_lead_to_the_provider_and_the_configured_origins(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    idp.discovery["authorization_endpoint"] = "https://login.corp.example:8443/oauth2/authorize"
    client = developer(form_action_origins=("https://sso.corp.example",)).client
    assert await client.authorization_origins() == ("https://login.corp.example:8443", "https://sso.corp.example")


@pytest.mark.parametrize(
    ("offered", "configured", "taken"),
    [
        (None, None, "client_secret_basic"),
        (["client_secret_post", "client_secret_basic"], None, "client_secret_basic"),
        (["client_secret_post"], None, "client_secret_post"),
        (["client_secret_basic"], "client_secret_post", "client_secret_post"),
        (["client_secret_post"], "client_secret_basic", "client_secret_basic"),
    ],
)
async def test_how_the_gateway_proves_itself(
    idp: IdentityProvider, developer: MakeDeveloper, offered: list[str] | None, configured: str | None, taken: str
) -> None:
    if offered is not None:
        idp.discovery["token_endpoint_auth_methods_supported"] = offered
    idp.auth_method = taken
    try:
        assert await developer(token_endpoint_auth_method=configured).come_back()
    finally:
        idp.auth_method = "client_secret_basic"


async def test_a_public_client_sends_no_secret(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.client_secret = None
    try:
        assert await developer().come_back()
    finally:
        idp.client_secret = CLIENT_SECRET


async def test_without_pkce_no_verifier_is_sent(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.pkce = False
    try:
        one = developer(pkce=False)
        assert "code_challenge" not in parameters(await one.url())
        assert await one.come_back()
    finally:
        idp.pkce = True
    assert "code_verifier" not in next(one for one in idp.requests if one.path == "/token").form


async def test_a_code_is_good_once(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    one = developer()
    code = idp.sign_in(await one.url())["code"]
    await one.come_back(code=code)
    with pytest.raises(SignInRefusedError) as caught:
        await one.come_back(code=code)
    assert caught.value.reason == "SignInCodeRefused"
    assert "Start it again" in caught.value.sentence
    assert "invalid_grant" in caught.value.detail
    assert code not in caught.value.detail


@pytest.mark.parametrize(
    "replaced",
    [
        {"code_verifier": "another-browsers-verifier-" + "x" * 30},
        {"redirect_uri": "https://claude.corp.example/elsewhere"},
        {"code": "made-up"},
    ],
)
async def test_what_does_not_fit_the_code_is_refused(developer: MakeDeveloper, replaced: dict[str, str]) -> None:
    with pytest.raises(SignInRefusedError) as caught:
        await developer().come_back(**replaced)
    assert caught.value.reason == "SignInCodeRefused"


async def test_another_sign_ins_nonce_is_refused(developer: MakeDeveloper) -> None:
    with pytest.raises(SignInRefusedError, match="nonce") as caught:
        await developer().come_back(nonce="nonce-of-another-sign-in")
    assert caught.value.reason == "IdentityTokenInvalid"


async def test_the_answer_of_another_issuer_is_refused(idp: IdentityProvider, developer: MakeDeveloper) -> None:
    idp.discovery["authorization_response_iss_parameter_supported"] = True
    one = developer()
    assert (await one.come_back()).person.user == "00u-alice"
    for other in ("https://other.example", idp.issuer + "/", "", None):
        with pytest.raises(SignInRefusedError, match="another issuer"):
            await one.come_back(issuer=other)


async def test_a_named_issuer_counts_where_the_provider_does_not_promise_one(developer: MakeDeveloper) -> None:
    with pytest.raises(SignInRefusedError, match="another issuer"):
        await developer().come_back(issuer="https://other.example")


def answering(status: int, body: Any) -> Callable[[Asked], tuple[int, Any]]:
    return lambda asked: (status, body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (401, {"error": "invalid_client"}, SignInRefusedError, "IdentityProviderMisconfigured"),
        (400, {"error": "unauthorized_client"}, SignInRefusedError, "IdentityProviderMisconfigured"),
        (403, b"<html>", SignInRefusedError, "IdentityProviderMisconfigured"),
        (500, {"error": "server_error"}, ProviderUnavailableError, "IdentityProviderUnavailable"),
        (503, b"", ProviderUnavailableError, "IdentityProviderUnavailable"),
        (429, {"error": "slow_down"}, ProviderUnavailableError, "IdentityProviderUnavailable"),
        (200, b"not json", ProviderUnavailableError, "IdentityProviderMisconfigured"),
        (200, b"[]", ProviderUnavailableError, "IdentityProviderMisconfigured"),
        (200, b"x" * (1 << 21), ProviderUnavailableError, "IdentityProviderUnavailable"),
        (200, {}, SignInRefusedError, "IdentityTokenInvalid"),
        (200, {"id_token": 7}, SignInRefusedError, "IdentityTokenInvalid"),
    ],
)
async def test_what_a_token_endpoints_answer_means(
    idp: IdentityProvider,
    developer: MakeDeveloper,
    status: int,
    body: Any,
    kind: type[IdentityProviderError],
    reason: str,
) -> None:
    idp.answers["/token"] = answering(status, body)
    with pytest.raises(kind) as caught:
        await developer().come_back()
    assert caught.value.reason == reason
    assert caught.value.sentence.endswith(".")


async def test_a_provider_that_repeats_our_secrets_puts_none_into_the_log(
    idp: IdentityProvider, developer: MakeDeveloper
) -> None:
    def repeat(asked: Asked) -> tuple[int, dict[str, str]]:
        return 400, {"error": "invalid_grant", "error_description": f"bad\ncode {asked.form['code']} {asked.form}"}

    idp.answers["/token"] = repeat
    with pytest.raises(SignInRefusedError) as caught:
        await developer().come_back(code="code-canary-93b1")
    assert "code-canary-93b1" not in caught.value.detail
    assert "\n" not in caught.value.detail
    assert len(caught.value.detail) < 500
