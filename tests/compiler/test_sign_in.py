"""Identity providers: what is resolved for the proxy, and what one that is broken costs."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.compiler.manifests import CANARY, binding, compiled, gateway, of, policy, secret, snapshot

from gateway_config.canonical import document, sha256_hex
from gateway_config.contract import GoogleGroups, IdentityProvider
from gateway_config.parts import Value
from gateway_operator.compiler import Compiled, ConfigMap, ObjectRef, Secret, Severity, lint

WORLD = (binding(), policy(), secret())
EMBEDDED = {"type": "Embedded"}
OKTA: dict[str, Any] = {
    "name": "okta",
    "issuer": "https://corp.okta.com",
    "clientID": "0oa1",
    "clientSecretRef": {"name": "okta", "key": "client-secret"},
}
OKTA_SECRET = secret("okta", client_secret="okta-canary\n")
PRIVATE_KEY = (
    f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(b'0' + CANARY.encode()).decode()}\n-----END PRIVATE KEY-----\n"
)
ACCOUNT = {"client_email": "reader@ml.example", "private_key": PRIVATE_KEY}
PEM = "-----BEGIN CERTIFICATE-----\nMGNlcnQ=\n-----END CERTIFICATE-----\n"


def signing_in(*providers: dict[str, Any], extra: tuple[Any, ...] = (OKTA_SECRET,), **spec: Any) -> Compiled:
    spec = {"store": EMBEDDED, "identity": {"oidc": list(providers)}, **spec}
    return compiled(gateway(**spec), *WORLD, *extra)


def providers_of(result: Compiled) -> tuple[IdentityProvider, ...]:
    assert result.configuration is not None
    return result.configuration.identity_providers


def errors(result: Compiled) -> list[tuple[str, str]]:
    return [(each.path, each.reason) for each in of(result.findings, severity=Severity.ERROR)]


def test_the_defaults() -> None:
    result = signing_in(OKTA)
    assert providers_of(result) == (
        IdentityProvider(
            name="okta",
            issuer="https://corp.okta.com",
            client_id="0oa1",
            client_secret=Value(name="identity.oidc/okta", sha256=sha256_hex(b"okta-canary")),
            scopes=("openid", "profile", "email", "offline_access"),
            signing_algorithms=("RS256", "ES256"),
        ),
    )
    assert result.credentials["identity.oidc/okta"] == "okta-canary"
    assert errors(result) == []


def test_every_field() -> None:
    text = """
        name: google
        issuer: https://accounts.google.com
        clientID: 1234.apps.googleusercontent.com
        clientSecretRef: {name: okta, key: client-secret}
        scopes: [email, profile]
        claims: {user: oid, email: upn, groups: [roles, /realm_access/roles]}
        userPrefix: "google:"
        groupPrefix: "g:"
        allowedEmailDomains: [Corp.example, branch.example]
        allowedGroups: ["g:engineering"]
        discoveryURL: https://accounts.google.com/.well-known/openid-configuration
        tokenEndpointAuthMethod: ClientSecretPost
        signingAlgorithms: [EdDSA]
        pkce: false
        userinfoFallback: true
        extraAuthParams: {prompt: consent, access_type: offline}
        clockSkew: 30s
        additionalAuthorizedParties: [other-client]
        formActionOrigins: [https://login.corp.example]
        caRef: {kind: ConfigMap, name: ca, key: ca.crt}
        useProxy: false
        googleGroups: {serviceAccountSecretRef: {name: google}, adminEmail: admin@corp.example}
    """
    account = json.dumps(ACCOUNT)
    certificates = ConfigMap(namespace="claude", name="ca", data={"ca.crt": PEM})
    google = Secret(namespace="claude", name="google", data={"key.json": account.encode()})
    result = signing_in(yaml.safe_load(text), extra=(OKTA_SECRET, google, certificates))
    (provider,) = providers_of(result)
    assert provider == IdentityProvider(
        name="google",
        issuer="https://accounts.google.com",
        client_id="1234.apps.googleusercontent.com",
        client_secret=Value(name="identity.oidc/google", sha256=sha256_hex(b"okta-canary")),
        scopes=("openid", "email", "profile"),
        user_claim="oid",
        email_claim="upn",
        group_claims=("roles", "/realm_access/roles"),
        user_prefix="google:",
        group_prefix="g:",
        allowed_email_domains=("branch.example", "corp.example"),
        allowed_groups=("g:engineering",),
        discovery_url="https://accounts.google.com/.well-known/openid-configuration",
        token_endpoint_auth_method="client_secret_post",
        signing_algorithms=("EdDSA",),
        pkce=False,
        userinfo_fallback=True,
        extra_auth_params={"access_type": "offline", "prompt": "consent"},
        clock_skew_seconds=30,
        additional_authorized_parties=("other-client",),
        form_action_origins=("https://login.corp.example",),
        ca_pem=PEM,
        use_proxy=False,
        google_groups=GoogleGroups(
            service_account=Value(name="identity.oidc/google/google", sha256=sha256_hex(account.encode())),
            admin_email="admin@corp.example",
        ),
    )
    assert errors(result) == []
    assert result.configuration is not None
    assert result.credentials["identity.oidc/google/google"] == account
    assert "PRIVATE KEY" not in document(result.configuration).decode()


def test_a_public_client_proves_itself_by_nothing() -> None:
    public = {name: value for name, value in OKTA.items() if name != "clientSecretRef"}
    (provider,) = providers_of(signing_in(public))
    assert (provider.client_secret, provider.token_endpoint_auth_method) == (None, "none")


def test_a_revision_changes_with_the_client_secret() -> None:
    before, after = signing_in(OKTA), signing_in(OKTA, extra=(secret("okta", client_secret="another"),))
    assert before.configuration != after.configuration


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "SecretNotFound"),
        (secret("okta", other="x"), "SecretKeyNotFound"),
        (secret("okta", client_secret=""), "SecretInvalid"),
        (secret("okta", client_secret="two\nlines"), "SecretInvalid"),
        (secret("okta", client_secret=b"\xff"), "SecretInvalid"),
        (replace(OKTA_SECRET, type="claude-gateway.dev/admin-key"), "SecretNotAllowed"),
        (replace(OKTA_SECRET, annotations={"claude-gateway.dev/hosts": "example.com"}), "SecretHostNotAllowed"),
    ],
)
def test_a_provider_without_its_secret_stays(held: Secret | None, reason: str) -> None:
    """It refuses whoever signs in. Left out, it would sign out at their next renewal all who did."""
    other = {"name": "entra", "issuer": "https://login.example", "clientID": "e"}
    result = signing_in(OKTA, other, extra=(held,) if held else ())
    assert [(provider.name, provider.client_secret) for provider in providers_of(result)] == [
        ("okta", None),
        ("entra", None),
    ]
    assert errors(result) == [("spec.identity.oidc[0].clientSecretRef", reason)]
    (finding,) = of(result.findings, severity=Severity.ERROR)
    assert finding.condition == "ResolvedRefs"
    assert "identity.oidc/okta" not in result.credentials


def test_a_secret_may_hold_spaces() -> None:
    result = signing_in(OKTA, extra=(secret("okta", client_secret="made of several words\n"),))
    assert result.credentials["identity.oidc/okta"] == "made of several words"


def test_a_secret_may_be_pinned_to_the_issuers_host() -> None:
    pinned = replace(OKTA_SECRET, annotations={"claude-gateway.dev/hosts": "corp.okta.com"})
    assert errors(signing_in(OKTA, extra=(pinned,))) == []


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", '{"client_email": "a@b"}', '{"client_email": 7}', json.dumps(ACCOUNT | {"private_key": "x"})],
)
def test_a_service_account_has_googles_form(text: str) -> None:
    groups = {"serviceAccountSecretRef": {"name": "google"}, "adminEmail": "admin@corp.example"}
    google = Secret(namespace="claude", name="google", data={"key.json": text.encode()})
    result = signing_in({**OKTA, "googleGroups": groups}, extra=(OKTA_SECRET, google))
    assert result.configuration is None, "without groups, who is in a group that is denied would come in"
    assert errors(result) == [("spec.identity.oidc[0].googleGroups.serviceAccountSecretRef", "SecretInvalid")]


def test_without_its_certificates_a_provider_stays() -> None:
    """A connection that needs them fails its check."""
    result = signing_in({**OKTA, "caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"}})
    assert [provider.ca_pem for provider in providers_of(result)] == [None]
    assert errors(result) == [("spec.identity.oidc[0].caRef", "ConfigMapNotFound")]


@pytest.mark.parametrize("name", ["state", "redirect_uri", "Nonce", "response_mode", "code_challenge", "request"])
def test_extra_parameters_never_replace_what_the_sign_in_stands_on(name: str) -> None:
    result = signing_in({**OKTA, "extraAuthParams": {name: "x", "prompt": "login"}})
    assert [provider.extra_auth_params for provider in providers_of(result)] == [{"prompt": "login"}]
    assert errors(result) == [(f"spec.identity.oidc[0].extraAuthParams.{name}", "Invalid")]


def test_sessions_are_as_the_gateway_says() -> None:
    asked = {"accessTokenTTL": "15m", "refreshTokenTTL": "12h", "loginNotice": "For employees."}
    result = signing_in(OKTA, session=asked)
    assert result.configuration is not None
    session = result.configuration.session
    assert (session.access_token_seconds, session.refresh_token_seconds) == (900, 43200)
    assert session.login_notice == "For employees."


def test_admin_groups_of_nobody_are_told() -> None:
    result = signing_in(OKTA, spend={"adminGroups": ["finance", "admins"]})
    assert result.configuration is not None
    assert result.configuration.admin_groups == ("admins", "finance")
    assert of(result.findings, reason="NoIdentityProviders") == []
    (finding,) = of(signing_in(spend={"adminGroups": ["finance"]}).findings, reason="NoIdentityProviders")
    assert (finding.path, finding.severity) == ("spec.spend.adminGroups", Severity.WARNING)


def test_a_policy_that_matches_an_unknown_source_is_told() -> None:
    world = snapshot(
        gateway(store=EMBEDDED, identity={"oidc": [OKTA]}),
        binding(),
        policy(),
        policy("team", priority=2, matches=[{"identityProviders": ["okta", "otka"]}]),
        policy("ci", priority=1, matches=[{"workloads": ["github"]}]),
        secret(),
        OKTA_SECRET,
    )
    found = [each for each in lint(world) if each.reason in ("IdentityProviderUnknown", "WorkloadUnknown")]
    assert [(each.ref, each.path, each.severity) for each in found] == [
        (ObjectRef("GatewayPolicy", "claude", "ci"), "spec.matches[0].workloads[0]", Severity.WARNING),
        (ObjectRef("GatewayPolicy", "claude", "team"), "spec.matches[0].identityProviders[1]", Severity.WARNING),
    ]
    assert '"otka" is not in spec.identity.oidc' in found[1].message
