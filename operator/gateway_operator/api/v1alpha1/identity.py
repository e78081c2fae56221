"""Who callers are: identity providers, developer keys, workload tokens."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.addresses import FormOrigin, SecureURL
from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import ATOMIC, map_list, set_list
from gateway_operator.api.v1alpha1.references import CARef, SecretKeyRef, SecretRef
from gateway_operator.api.v1alpha1.scalars import Domain, Duration, Email, Label, Word, between

_Claim = Annotated[str, Field(min_length=1, max_length=256)]
_Prefix = Annotated[str, Field(max_length=64)]


class TokenEndpointAuthMethod(Choice):
    CLIENT_SECRET_BASIC = "ClientSecretBasic"  # noqa: S105  # a method, no password
    CLIENT_SECRET_POST = "ClientSecretPost"  # noqa: S105
    NONE = "None"


class SigningAlgorithm(Choice):
    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


class Claims(Model):
    """Where an identity token tells who the user is: a claim's name or, beginning with `/`, a JSON pointer."""

    user: Annotated[_Claim, doc("The user's id; it must never be given to another person.", example="sub")] = "sub"
    email: Annotated[_Claim, doc("The user's email address.", example="email")] = "email"
    groups: Annotated[
        list[_Claim],
        doc(
            "The user's groups; what the claims hold is united.",
            example=["groups", "/realm_access/roles"],
            max_length=8,
        ),
        set_list(),
    ] = ["groups"]


class GoogleGroups(Model):
    """Reads groups from the Google Workspace directory: Google's tokens carry none."""

    service_account_secret_ref: Annotated[
        SecretRef,
        doc(
            "Secret whose `key.json` is a service account's key with domain-wide delegation.",
            example={"name": "google"},
        ),
    ]
    admin_email: Annotated[
        Email, doc("The administrator as whom the directory is read.", example="directory@corp.example")
    ]


class OIDCProvider(Model):
    """An OpenID Connect identity provider that developers sign in with."""

    name: Annotated[Label, doc("Name that policies (`identityProviders`) and the sign-in page use.", example="okta")]
    issuer: Annotated[SecureURL, doc("The issuer, exactly as its tokens spell it.", example="https://corp.okta.com")]
    client_id: Annotated[Word, doc("Id under which the gateway is registered there.", example="0oa1b2c3d4")]
    client_secret_ref: Annotated[
        SecretKeyRef | None,
        doc(
            "The client's secret. Default: a public client, with PKCE.",
            example={"name": "okta", "key": "client-secret"},
        ),
    ] = None
    scopes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]],
        doc(
            "Scopes that are asked for. Default: openid, profile, email and offline_access.",
            example=["openid", "email", "profile", "groups", "offline_access"],
            max_length=32,
        ),
        set_list(),
    ] = []
    claims: Annotated[
        Claims,
        doc(
            "Where the token tells who the user is. Default: in `sub`, `email` and `groups`.",
            example={"user": "sub", "groups": ["roles"]},
        ),
    ] = Claims()
    user_prefix: Annotated[
        _Prefix, doc("Put before user ids, to keep those of different sources apart. Default: none.", example="okta:")
    ] = ""
    group_prefix: Annotated[
        _Prefix, doc("Put before groups, to keep those of different sources apart. Default: none.", example="okta:")
    ] = ""
    allowed_email_domains: Annotated[
        list[Domain],
        doc("Domains whose users may sign in. Default: any.", example=["corp.example"], max_length=64),
        set_list(),
    ] = []
    allowed_groups: Annotated[
        list[Word],
        doc(
            "Groups whose members may sign in, spelled as policies spell them, with `groupPrefix`; one is enough. "
            "Default: any.",
            example=["engineering"],
            max_length=256,
        ),
        set_list(),
    ] = []
    discovery_url: Annotated[
        SecureURL | None,
        doc(
            "Where the discovery document lies, if not below the issuer. "
            "Default: the issuer and /.well-known/openid-configuration.",
            example="https://idp.internal/.well-known/openid-configuration",
        ),
    ] = None
    token_endpoint_auth_method: Annotated[
        TokenEndpointAuthMethod | None,
        doc(
            "How the gateway proves itself at the token endpoint. Default: what the discovery document offers, "
            "ClientSecretBasic first; None without a secret.",
            example="ClientSecretPost",
        ),
    ] = None
    signing_algorithms: Annotated[
        list[SigningAlgorithm],
        doc(
            "Algorithms that an identity token may be signed with. Default: RS256 and ES256.",
            example=["RS256"],
            max_length=10,
        ),
        set_list(),
    ] = []
    pkce: Annotated[bool, doc("Whether the sign-in is bound to the browser by PKCE (S256).", example=True)] = True
    userinfo_fallback: Annotated[
        bool, doc("Whether claims that the token lacks are read from the userinfo endpoint.", example=True)
    ] = False
    extra_auth_params: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]],
        doc(
            "Further parameters of the authorization request. Default: none.",
            example={"prompt": "select_account"},
            max_length=16,
        ),
    ] = {}
    clock_skew: Annotated[
        Duration, between("0s", "10m"), doc("How far the provider's clock may be off.", example="30s")
    ] = Duration("1m")
    additional_authorized_parties: Annotated[
        list[Word],
        doc(
            "Client ids besides our own that a token's `azp` may name. Default: none.",
            example=["0oa9z8y7x6"],
            max_length=16,
        ),
        set_list(),
    ] = []
    form_action_origins: Annotated[
        list[FormOrigin],
        doc(
            "Origins that the provider redirects the sign-in form to, besides its own; browsers block others. "
            "Default: none.",
            example=["https://login.corp.example"],
            max_length=16,
        ),
        set_list(),
    ] = []
    ca_ref: Annotated[
        CARef | None, doc("Certificates trusted for this provider, besides the system's. Default: `egress.caRef`.")
    ] = None
    use_proxy: Annotated[
        bool, doc("Whether the provider is reached through `egress.proxyURL`, where there is one.", example=False)
    ] = True
    google_groups: Annotated[
        GoogleGroups | None, doc("Reads groups from the Google Workspace directory. Default: not read.")
    ] = None

    object_rules = (
        Rule(
            cel=(
                "!has(self.tokenEndpointAuthMethod) || "
                "(self.tokenEndpointAuthMethod == 'None') == !has(self.clientSecretRef)"
            ),
            message="ClientSecretBasic and ClientSecretPost need clientSecretRef, None goes without it",
            holds=lambda it: (
                it.token_endpoint_auth_method is None
                or (it.token_endpoint_auth_method == TokenEndpointAuthMethod.NONE) == (it.client_secret_ref is None)
            ),
            path=".tokenEndpointAuthMethod",
        ),
        Rule(
            cel="self.pkce || has(self.clientSecretRef)",
            message="a client without a secret needs pkce: leave it on, or add clientSecretRef",
            holds=lambda it: it.pkce or it.client_secret_ref is not None,
            path=".pkce",
        ),
    )


class DeveloperKeys(Model):
    """Keys that an admin makes with `claude-gateway key create`, kept as Secrets that hold only a hash."""

    enabled: Annotated[bool, doc("Whether developer keys are taken.", example=True)] = True
    allowed_groups: Annotated[
        list[Word],
        doc(
            "Groups that a key may claim; a key with another is refused. Whoever may create Secrets could "
            "otherwise claim any. Default: any.",
            example=["engineering", "ci"],
            max_length=256,
        ),
        set_list(),
    ] = []
    max_ttl: Annotated[
        Annotated[Duration, between("1m", "99999h")] | None,
        doc(
            "How long a key may live; when set, a key without `expires` is refused. Default: no bound.", example="2160h"
        ),
    ] = None


class WorkloadRule(Model):
    """Who a token stands for."""

    match: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]],
        doc(
            "Claims and the values that they must have; all must hold.",
            example={"repository_owner": "corp", "environment": "prod"},
            min_length=1,
            max_length=16,
        ),
    ]
    user: Annotated[
        str,
        doc(
            "The user's id; `{claim}` is replaced by the claim's value.",
            example="ci:{repository}",
            min_length=1,
            max_length=512,
        ),
    ]
    groups: Annotated[
        list[Word], doc("Groups of that user. Default: none.", example=["ci"], max_length=64), set_list()
    ] = []


class Workload(Model):
    """A source of tokens that CI jobs and pods have already."""

    name: Annotated[Label, doc("Name that policies (`workloads`) use.", example="github")]
    issuer: Annotated[
        SecureURL,
        doc("The issuer, exactly as its tokens spell it.", example="https://token.actions.githubusercontent.com"),
    ]
    audience: Annotated[
        str,
        doc(
            "The audience that a token must name: without it, a token made for another service would do.",
            example="https://claude.corp.example",
            min_length=1,
            max_length=512,
        ),
    ]
    rules: Annotated[
        list[WorkloadRule],
        doc(
            "The first rule that matches a token says who its bearer is; a token that none matches is refused.",
            min_length=1,
            max_length=64,
        ),
        ATOMIC,
    ]


class Identity(Model):
    """Who may come in."""

    oidc: Annotated[
        list[OIDCProvider],
        doc("Identity providers that developers sign in with. They need a store. Default: none.", max_length=8),
        map_list("name"),
    ] = []
    developer_keys: Annotated[
        DeveloperKeys,
        doc(
            "Keys made by an admin. Default: taken, with any group and without a bound on their life.",
            example={"maxTTL": "2160h"},
        ),
    ] = DeveloperKeys()
    workloads: Annotated[
        list[Workload],
        doc("Tokens of CI systems and clusters. Default: none.", max_length=16),
        map_list("name"),
    ] = []
    subscription_passthrough: Annotated[
        bool,
        doc(
            "Whether a developer's own claude.ai login is passed on to the Anthropic API. Such a caller has "
            "no identity "
            "here: the base layer alone decides, and Anthropic bindings alone serve.",
            example=True,
        ),
    ] = False


class Session(Model):
    """Sign-ins and the tokens that they give."""

    access_token_ttl: Annotated[
        Duration, between("1m", "24h"), doc("How long a session token lives until it is renewed.", example="15m")
    ] = Duration("1h")
    refresh_token_ttl: Annotated[
        Duration,
        between("1h", "99999h"),
        doc("How long a developer stays signed in without using the gateway.", example="168h"),
    ] = Duration("720h")
    signing_key_rotation: Annotated[
        Duration, between("24h", "99999h"), doc("How old a signing key may grow.", example="2160h")
    ] = Duration("720h")
    login_notice: Annotated[
        str, doc("Plain text shown at a sign-in. Default: none.", example="For corp employees only.", max_length=500)
    ] = ""
