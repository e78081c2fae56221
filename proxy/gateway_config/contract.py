"""The compiled configuration of one gateway: everything a proxy pod acts on, and nothing else.

The control plane writes this document, the data plane reads it. Cross-object rules, defaults and merges
are already resolved in it, so a proxy needs no knowledge of the Kubernetes resources. Credential values are
not part of it; their SHA-256 digests are, so that the revision changes when a credential does.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CONTRACT_VERSION: Final = 1
"""Raised whenever an older proxy would misread the document. A proxy refuses a version it does not know."""

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+$")]
"""`namespace/name` of the Kubernetes object that a part of the document comes from."""


class Part(BaseModel):
    """Base of every member: immutable, and an unknown field is an error, never a rule silently not enforced."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewayIdentity(Part):
    namespace: str
    name: str
    public_url: str = Field(description="An origin without a trailing slash.")


class Limits(Part):
    max_request_bytes: int = Field(gt=0, description="Largest request body; above it 413.")
    max_buffered_bytes: int = Field(gt=0, description="Bytes of all requests being read at once; above it 429.")
    drain_seconds: float = Field(ge=0, description="How long open streams may live on after SIGTERM.")


class Egress(Part):
    """How the proxy reaches upstreams."""

    proxy_url: str | None = Field(default=None, description="HTTP forward proxy, `http://host:port`.")
    no_proxy: tuple[str, ...] = Field(
        default=(), description="Hosts reached directly: a name, `.suffix`, an address or a CIDR."
    )
    ca_pem: str | None = Field(default=None, description="PEM certificates trusted in addition to the system's.")


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


class Credential(Part):
    """A value in the bundle's credentials file, and how it is sent."""

    kind: Literal["ApiKey", "OAuthToken"]
    name: str = Field(description="The key in the credentials file.")
    sha256: Sha256Hex = Field(description="Of the value's UTF-8 bytes.")


class Timeouts(Part):
    """In seconds."""

    connect_seconds: float = Field(gt=0)
    first_byte_seconds: float = Field(gt=0, description="From the request's last byte to the response's first.")
    idle_seconds: float = Field(gt=0, description="Longest silence inside a response.")


class Upstream(Part):
    """One ProviderBinding."""

    name: ObjectName
    type: Literal["Anthropic"]
    priority: int
    base_url: str = Field(description="Without a trailing slash; `/v1/messages` is appended.")
    credential: Credential
    models: dict[str, str] = Field(description="Canonical model id → the id that this upstream knows it by.")
    timeouts: Timeouts


class Match(Part):
    """One entry of a policy's `matches`: every member that is not empty must hold, each by any of its values."""

    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = Field(default=(), description="User ids or email addresses, in lower case.")
    email_domains: tuple[str, ...] = Field(default=(), description="In lower case, without the `@`.")
    workloads: tuple[str, ...] = ()
    identity_providers: tuple[str, ...] = ()


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
