"""Identity providers → what the proxy signs developers in with.

A provider that were left out would sign its people out, at their next renewal and for good. So one whose client secret
cannot be resolved stays, without it: it refuses us, and who is signed in goes on for a while. Without the directory's
account nobody's groups are known, so the gateway has no configuration then, and the last one stays.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway_config.callers import folded
from gateway_config.canonical import sha256_hex
from gateway_config.contract import GoogleGroups, IdentityProvider
from gateway_config.parts import Value
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.identity import OIDCProvider, TokenEndpointAuthMethod
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.providers.google_credentials import FILE_KEY, TOKEN_URL, is_private_key
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef

_DEFAULT_SCOPES: Final = ("openid", "profile", "email", "offline_access")
_DEFAULT_ALGORITHMS: Final = ("RS256", "ES256")
_OURS: Final = frozenset(
    {
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
"""Parameters of the authorization request that the sign-in stands on."""
_Method = Literal["client_secret_basic", "client_secret_post", "none"]
_METHODS: Final[dict[TokenEndpointAuthMethod, _Method]] = {
    TokenEndpointAuthMethod.CLIENT_SECRET_BASIC: "client_secret_basic",
    TokenEndpointAuthMethod.CLIENT_SECRET_POST: "client_secret_post",
    TokenEndpointAuthMethod.NONE: "none",
}


@dataclass(slots=True)
class SignIn:
    """The identity providers of one gateway."""

    providers: list[IdentityProvider] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    findings: list[Finding] = field(default_factory=list)
    refused: bool = False
    """The gateway has no configuration without what is missing."""


def compile_sign_in(gateway: GatewayDeployment, ref: ObjectRef, values: Values) -> SignIn:
    result = SignIn()
    providers = gateway.spec.identity.oidc
    for position, provider in enumerate(providers):
        compiling = _Compiling(provider, f"spec.identity.oidc[{position}]", ref, values)
        result.providers.append(compiling.run())
        result.findings += compiling.findings
        result.credentials |= compiling.credentials
        result.refused = result.refused or compiling.refused
    if gateway.spec.spend.admin_groups and not providers:
        message = "are groups of people who sign in, and nobody does: add spec.identity.oidc, or use admin keys"
        result.findings.append(warning(ref, "spec.spend.adminGroups", Reason.NO_IDENTITY_PROVIDERS, message))
    return result


@dataclass(slots=True)
class _Compiling:
    """One provider on its way."""

    provider: OIDCProvider
    path: str
    ref: ObjectRef
    values: Values
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    findings: list[Finding] = field(default_factory=list)
    refused: bool = False

    def run(self) -> IdentityProvider:
        provider = self.provider
        client_secret = self._client_secret()
        google_groups = self._google_groups()
        method = provider.token_endpoint_auth_method
        if method is None and provider.client_secret_ref is None:
            method = TokenEndpointAuthMethod.NONE
        return IdentityProvider(
            name=provider.name,
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=client_secret,
            scopes=_scopes(provider.scopes),
            user_claim=provider.claims.user,
            email_claim=provider.claims.email,
            group_claims=tuple(provider.claims.groups),
            user_prefix=provider.user_prefix,
            group_prefix=provider.group_prefix,
            allowed_email_domains=tuple(sorted(map(folded, provider.allowed_email_domains))),
            allowed_groups=tuple(sorted(provider.allowed_groups)),
            discovery_url=provider.discovery_url,
            token_endpoint_auth_method=None if method is None else _METHODS[method],
            signing_algorithms=tuple(map(str, provider.signing_algorithms)) or _DEFAULT_ALGORITHMS,
            pkce=provider.pkce,
            userinfo_fallback=provider.userinfo_fallback,
            extra_auth_params=self._extra_parameters(),
            clock_skew_seconds=provider.clock_skew.seconds,
            additional_authorized_parties=tuple(provider.additional_authorized_parties),
            form_action_origins=tuple(provider.form_action_origins),
            ca_pem=self._certificates(),
            use_proxy=provider.use_proxy,
            google_groups=google_groups,
        )

    def _client_secret(self) -> Value | None:
        """Meant for the issuer's host, and for the discovery document's where that lies elsewhere."""
        ref = self.provider.client_secret_ref
        if ref is None:
            return None
        try:
            for url in filter(None, (self.provider.discovery_url, self.provider.issuer)):
                text = self.values.text(self.ref.namespace, ref.name, ref.key, url=url)
            if not text.isascii() or not text.isprintable():
                what = f"Secret {self.ref.namespace}/{ref.name}, key {ref.key}"
                raise UnresolvedError(Reason.SECRET_INVALID, f"{what}, holds what no client secret does (RFC 6749)")
        except UnresolvedError as problem:
            self._unresolved("clientSecretRef", problem)
            return None
        return self._kept(f"identity.oidc/{self.provider.name}", text)

    def _google_groups(self) -> GoogleGroups | None:
        asked = self.provider.google_groups
        if asked is None:
            return None
        ref = asked.service_account_secret_ref
        try:
            text = self.values.text(self.ref.namespace, ref.name, ref.key or FILE_KEY, url=TOKEN_URL)
            _check_service_account(text, f"Secret {self.ref.namespace}/{ref.name}, key {ref.key or FILE_KEY}")
        except UnresolvedError as problem:
            self.refused = True
            self._unresolved("googleGroups.serviceAccountSecretRef", problem)
            return None
        value = self._kept(f"identity.oidc/{self.provider.name}/google", text)
        return GoogleGroups(service_account=value, admin_email=asked.admin_email)

    def _kept(self, name: str, text: str) -> Value:
        self.credentials[name] = text
        return Value(name=name, sha256=sha256_hex(text.encode()))

    def _certificates(self) -> str | None:
        """None where they cannot be resolved: a provider that needs them then fails its TLS check."""
        if self.provider.ca_ref is None:
            return None
        try:
            return self.values.certificates(self.ref.namespace, self.provider.ca_ref)
        except UnresolvedError as problem:
            self._unresolved("caRef", problem)
            return None

    def _unresolved(self, field_name: str, problem: UnresolvedError) -> None:
        path = f"{self.path}.{field_name}"
        self.findings.append(error(self.ref, path, problem.reason, str(problem), condition="ResolvedRefs"))

    def _extra_parameters(self) -> dict[str, str]:
        kept = {}
        for name, value in sorted(self.provider.extra_auth_params.items()):
            if name.lower() in _OURS:
                message = "is a parameter that the gateway sets itself, and is left out: remove it"
                self.findings.append(error(self.ref, f"{self.path}.extraAuthParams.{name}", Reason.INVALID, message))
            else:
                kept[name] = value
        return kept


def _scopes(asked: list[str]) -> tuple[str, ...]:
    """Without `openid` there is no identity token."""
    if not asked:
        return _DEFAULT_SCOPES
    return tuple(asked) if "openid" in asked else ("openid", *asked)


def _check_service_account(text: str, what: str) -> None:
    """Raises UnresolvedError."""
    try:
        key: Any = json.loads(text)
    except (ValueError, RecursionError):
        key = None
    members = key if isinstance(key, dict) else {}
    if not isinstance(members.get("client_email"), str) or not is_private_key(members.get("private_key")):
        raise UnresolvedError(
            Reason.SECRET_INVALID,
            f"{what}, is not a service account's key in Google's JSON form, with client_email and private_key",
        )
