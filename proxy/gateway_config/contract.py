"""The compiled configuration of one gateway: everything a proxy pod acts on, and nothing else.

The control plane writes this document, the data plane reads it. Cross-object rules, defaults and merges
are already resolved in it, so a proxy needs no knowledge of the Kubernetes resources. Credential values are
not part of it; their SHA-256 digests are, so that the revision changes when a credential does.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from gateway_config.parts import Part, Sha256Hex, Value
from gateway_config.upstream_credentials import Credential

CONTRACT_VERSION: Final = 1
"""Raised whenever an older proxy would misread the document. A proxy refuses a version it does not know."""

ObjectName = Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+$")]
"""`namespace/name` of the Kubernetes object that a part of the document comes from."""


class GatewayIdentity(Part):
    namespace: str
    name: str
    public_url: str = Field(description="An origin without a trailing slash.")


class Limits(Part):
    max_request_bytes: int = Field(gt=0, description="Largest request body; above it 413.")
    max_buffered_bytes: int = Field(gt=0, description="Bytes of all requests being read at once; above it 429.")
    drain_seconds: float = Field(ge=0, description="How long open streams may live on after SIGTERM.")


class Egress(Part):
    """How the proxy reaches upstreams, identity providers and collectors."""

    proxy_url: str | None = Field(default=None, description="HTTP forward proxy, `http://host:port`.")
    no_proxy: tuple[str, ...] = Field(
        default=(), description="Hosts reached directly: a name, `.suffix`, an address or a CIDR."
    )
    ca_pem: str | None = Field(default=None, description="PEM certificates trusted in addition to the system's.")
    allow_loopback: bool = Field(default=False, description="Whether loopback addresses may be reached.")


class Model(Part):
    """One model that clients may name."""

    id: str = Field(description="The canonical id that policies, prices, metrics and audit lines use.")
    display_name: str
    description: str = ""
    max_input_tokens: int | None = None
    created_at: str = Field(description="RFC 3339; what `GET /v1/models` reports.")
    spellings: tuple[str, ...] = Field(default=(), description="Other names that mean this model, in lower case.")
    listed: bool = Field(
        default=True, description="False: served, but in `GET /v1/models` only where the caller's policy names it."
    )


class Timeouts(Part):
    """In seconds."""

    connect_seconds: float = Field(gt=0)
    first_byte_seconds: float = Field(gt=0, description="From the request's last byte to the response's first.")
    idle_seconds: float = Field(gt=0, description="Longest silence inside a response.")


class Health(Part):
    """When an upstream that fails with a model is moved behind the others."""

    failures_before_cool_down: int = Field(default=3, gt=0, description="In a row.")
    cool_down_seconds: float = Field(default=30, gt=0, description="A longer Retry-After is honoured.")


class RequestFilter(Part):
    """What an upstream does not take, and what goes with it. It is cut out of requests."""

    name: str
    models: tuple[str, ...] = Field(default=(), description="Canonical ids; empty: with every model.")
    betas: tuple[str, ...] = Field(default=(), description="Names in `anthropic-beta`.")
    fields: tuple[str, ...] = Field(
        default=(),
        description=(
            "Members of the body: `name`, `name.member`, or `**.name.member` for every object called `name` of the "
            "Messages API's own form."
        ),
    )
    instead: tuple[str, ...] = Field(
        default=(),
        description="Betas that the upstream has in place of those: named where a header named one of them.",
    )


ProviderType = Literal["Anthropic", "Bedrock", "ClaudePlatformAWS", "VertexAI", "Foundry"]


class Upstream(Part):
    """One ProviderBinding."""

    name: ObjectName
    type: ProviderType
    priority: int
    weight: int = Field(default=1, gt=0, description="Share of the sessions among those of equal priority.")
    base_url: str = Field(description="Without a trailing slash; the provider's path is appended.")
    region: str = Field(default="", description="Where AWS and Google Cloud have them.")
    project_id: str = Field(default="", description="Google Cloud's.")
    workspace_id: str = Field(default="", description="Of Claude Platform on AWS.")
    credential: Credential
    models: dict[str, str] = Field(description="Canonical model id → the id that this upstream knows it by.")
    filters: tuple[RequestFilter, ...] = ()
    forward_user_identity: bool = Field(
        default=False, description="Whether the caller's id and email are sent along, as headers."
    )
    timeouts: Timeouts
    health: Health = Health()
    max_concurrent_requests: int = Field(default=0, ge=0, description="Of one pod; 0: unbounded.")


class Match(Part):
    """One entry of a policy's `matches`: every member that is not empty must hold, each by any of its values."""

    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = Field(default=(), description="User ids or email addresses, in lower case.")
    email_domains: tuple[str, ...] = Field(default=(), description="In lower case, without the `@`.")
    workloads: tuple[str, ...] = ()
    identity_providers: tuple[str, ...] = ()


class RateLimits(Part):
    """For each user; None: unlimited."""

    requests_per_minute: int | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, gt=0, description="In and out.")
    open_streams: int | None = Field(default=None, gt=0, description="Requests open at once.")


class Policy(Part):
    """One GatewayPolicy, already merged onto the base layer."""

    name: ObjectName
    matches: tuple[Match, ...] = Field(default=(), description="Empty only in the base layer.")
    access: Literal["Allow", "Deny"] = "Allow"
    invalid: str | None = Field(
        default=None, description="Why the policy could not be compiled; it denies its callers."
    )
    models: tuple[str, ...] | None = Field(default=None, description="Canonical ids; None: every model. Sorted.")
    upstreams: tuple[ObjectName, ...] | None = Field(default=None, description="None: every upstream. Sorted.")
    settings: Sha256Hex | None = Field(default=None, description="Key into `settings_documents`.")
    desktop: dict[str, Any] | None = Field(
        default=None, description="Claude Desktop's configuration as written; None: it is not configured."
    )
    rate_limits: RateLimits = RateLimits()


class DeveloperKey(Part):
    """A key made by `claude-gateway key create`; the key itself is stored nowhere."""

    name: ObjectName = Field(description="The Secret.")
    sha256: Sha256Hex
    user: str
    groups: tuple[str, ...] = ()
    expires: int | None = Field(default=None, description="Unix seconds.")


class SigningKey(Part):
    """A key for session tokens (HS256): a value in the bundle's credentials file, and what it is good for."""

    kid: str = Field(description="The `kid` that tokens name.")
    name: str = Field(description="The key in the credentials file.")
    sha256: Sha256Hex = Field(description="Of the value's UTF-8 bytes.")
    use: Literal["Sign", "Verify"] = Field(description="New tokens are signed with the one that says Sign.")


class AdminKey(Part):
    """A key for the Admin API; the key itself is stored nowhere."""

    name: ObjectName = Field(description="The Secret.")
    sha256: Sha256Hex
    holder: str = Field(description="Who has it, for audit lines.")
    expires: int | None = Field(default=None, description="Unix seconds.")


class GoogleGroups(Part):
    """Groups are read from the Google Workspace directory."""

    service_account: Value = Field(description="A service account's key in Google's JSON form.")
    admin_email: str = Field(description="Whom the service account acts as.")


class IdentityProvider(Part):
    """One OpenID provider that developers sign in with."""

    name: str
    issuer: str = Field(description="As its tokens spell it, byte for byte.")
    client_id: str
    client_secret: Value | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email", "offline_access")
    user_claim: str = Field(default="sub", description="A claim's name or, beginning with `/`, a JSON pointer.")
    email_claim: str = "email"
    group_claims: tuple[str, ...] = ("groups",)
    user_prefix: str = ""
    group_prefix: str = ""
    allowed_email_domains: tuple[str, ...] = Field(default=(), description="In lower case; empty: any.")
    allowed_groups: tuple[str, ...] = Field(default=(), description="With the prefix; empty: any.")
    discovery_url: str | None = Field(default=None, description="None: the issuer's well-known address.")
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = Field(
        default=None, description="None: what the discovery document offers."
    )
    signing_algorithms: tuple[str, ...] = ("RS256", "ES256")
    pkce: bool = True
    userinfo_fallback: bool = False
    extra_auth_params: dict[str, str] = {}
    clock_skew_seconds: float = Field(default=60, ge=0)
    additional_authorized_parties: tuple[str, ...] = ()
    form_action_origins: tuple[str, ...] = ()
    ca_pem: str | None = Field(default=None, description="Trusted besides the system's; None: egress.ca_pem.")
    use_proxy: bool = True
    google_groups: GoogleGroups | None = None


class WorkloadRule(Part):
    """Who a workload token stands for."""

    match: dict[str, str] = Field(description="Claims and the values that they must have.")
    user: str = Field(description="A template: `{claim}` is replaced by the claim's value.")
    groups: tuple[str, ...] = ()


class WorkloadIssuer(Part):
    """A source of tokens that CI jobs and pods have already."""

    name: str
    issuer: str = Field(description="As its tokens spell it, byte for byte.")
    audience: str
    rules: tuple[WorkloadRule, ...] = Field(description="The first that matches decides.")


class Session(Part):
    """Sign-ins and the tokens that they give."""

    access_token_seconds: int = Field(default=3600, gt=0)
    refresh_token_seconds: int = Field(default=2_592_000, gt=0, description="From the last use.")
    login_notice: str = ""


class Store(Part):
    """Where sessions are kept."""

    type: Literal["Embedded", "Postgres"]
    url: Value | None = Field(default=None, description="postgresql://…; None: SQLite in the state directory.")
    ca_pem: str | None = Field(default=None, description="What the server's certificate is checked with.")


class Clients(Part):
    """Where requests may come from."""

    trusted_proxies: tuple[str, ...] = Field(default=(), description="CIDRs whose X-Forwarded-For is believed.")
    allow_cidrs: tuple[str, ...] = Field(default=(), description="Empty: any.")
    deny_cidrs: tuple[str, ...] = Field(default=(), description="Stronger than those allowed.")
    device_authorizations_per_10_minutes: int = Field(default=30, gt=0, description="For each address.")
    code_submissions_per_10_minutes: int = Field(default=10, gt=0, description="For each address.")


class Destination(Part):
    """An OTLP collector."""

    name: str
    endpoint: str = Field(description="Without a trailing slash; for HTTP, `/v1/<signal>` is appended.")
    protocol: Literal["HTTP", "GRPC"] = "HTTP"
    signals: tuple[Literal["Metrics", "Logs", "Traces"], ...] = ("Metrics",)
    headers: dict[str, Value] = Field(default={}, description="Header name → its value.")
    redact: tuple[str, ...] = Field(default=(), description="Attributes that are taken out.")


class Telemetry(Part):
    destinations: tuple[Destination, ...] = ()
    gateway_metrics: bool = True


class Audit(Part):
    stdout: bool = True


class Configuration(Part):
    """The whole document."""

    contract: Literal[1] = CONTRACT_VERSION
    gateway: GatewayIdentity
    limits: Limits
    egress: Egress = Egress()
    models: tuple[Model, ...]
    upstreams: tuple[Upstream, ...] = Field(default=(), description="By priority, high first, then by name.")
    policies: tuple[Policy, ...] = Field(default=(), description="In matching order: the first that matches decides.")
    base: Policy | None = Field(default=None, description="For callers no policy matches; None: they are denied.")
    developer_keys: tuple[DeveloperKey, ...] = Field(default=(), description="Sorted by name.")
    subscription_passthrough: bool = False
    settings_documents: dict[Sha256Hex, dict[str, Any]] = Field(
        default={}, description="Managed-settings documents by the SHA-256 of their canonical JSON."
    )
    signing_keys: tuple[SigningKey, ...] = Field(
        default=(), description="Sorted by kid. At most one signs; none where nobody signs in."
    )
    identity_providers: tuple[IdentityProvider, ...] = Field(default=(), description="In the order written.")
    workload_issuers: tuple[WorkloadIssuer, ...] = Field(default=(), description="In the order written.")
    session: Session = Session()
    store: Store | None = None
    clients: Clients = Clients()
    telemetry: Telemetry = Telemetry()
    audit: Audit = Audit()
    safeguards: Literal["Forward", "Refuse"] = "Forward"
    billing_group_tag: str | None = Field(default=None, description="The request tag that names a billing group.")
    admin_keys: tuple[AdminKey, ...] = Field(default=(), description="Sorted by name.")
    admin_groups: tuple[str, ...] = Field(default=(), description="Whose members may use the Admin API.")
