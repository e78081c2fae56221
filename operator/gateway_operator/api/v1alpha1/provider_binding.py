"""ProviderBinding: one upstream."""

from typing import Annotated, Literal

from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc, member_rules
from gateway_operator.api.v1alpha1.lists import map_list
from gateway_operator.api.v1alpha1.metadata import SHORT_NAME_RULE, ObjectMeta
from gateway_operator.api.v1alpha1.providers import Anthropic, Bedrock, ClaudePlatformAWS, Foundry, VertexAI
from gateway_operator.api.v1alpha1.references import GatewayRefs
from gateway_operator.api.v1alpha1.request_filters import RequestFilters
from gateway_operator.api.v1alpha1.scalars import Duration, ModelName, between
from gateway_operator.api.v1alpha1.spend import Pricing
from gateway_operator.api.v1alpha1.status import AttachedStatus


class ProviderType(Choice):
    ANTHROPIC = "Anthropic"
    BEDROCK = "Bedrock"
    CLAUDE_PLATFORM_AWS = "ClaudePlatformAWS"
    VERTEX_AI = "VertexAI"
    FOUNDRY = "Foundry"


class ServedModel(Model):
    """A model that this upstream serves, and the name it has there."""

    id: Annotated[ModelName, doc("The model's id in the catalogue.", example="claude-opus-5-5")]
    upstream_id: Annotated[
        str | None,
        doc(
            "What the upstream calls it: an id, an inference profile's ARN, a deployment. Default: what the "
            "catalogue knows for this type; at Bedrock the region's own inference profile, such as `eu.`, else "
            "`global.`.",
            example="eu.anthropic.claude-opus-5-5",
            min_length=1,
            max_length=2048,
            pattern=r"^[!-~]+$",
        ),
    ] = None


class Timeouts(Model):
    """How long the gateway waits for the upstream."""

    connect: Annotated[
        Duration, between("100ms", "5m"), doc("Until a connection stands, TLS included.", example="2s")
    ] = Duration("5s")
    first_byte: Annotated[
        Duration,
        between("1s", "1h"),
        doc("From the request's last byte to the answer's first; then the next upstream is tried.", example="1m"),
    ] = Duration("2m")
    idle: Annotated[
        Duration,
        between("1s", "1h"),
        doc("Longest silence inside an answer; then the stream ends with an error.", example="10m"),
    ] = Duration("5m")


class Health(Model):
    """When a failing upstream is moved behind the others. Where all are failing, they are tried all the same."""

    failures_before_cool_down: Annotated[int, doc("Failures in a row.", example=5, ge=1, le=1000)] = 3
    cool_down: Annotated[
        Duration, between("1s", "1h"), doc("How long; a longer Retry-After is honoured.", example="1m")
    ] = Duration("30s")


class ProviderBindingSpec(Model):
    """What the upstream is, and which gateways use it."""

    gateway_refs: Annotated[
        GatewayRefs, doc("The gateways that use this upstream. Replaced as a whole.", example=[{"name": "corp"}])
    ]
    priority: Annotated[
        int,
        doc("Higher is tried first; equal priorities share by `weight`.", example=100, ge=-1_000_000, le=1_000_000),
    ] = 0
    weight: Annotated[int, doc("Share among bindings of equal priority.", example=3, ge=1, le=1000)] = 1
    type: Annotated[
        ProviderType, doc("Type of the provider; the member of that name holds the rest.", example="Bedrock")
    ]
    anthropic: Annotated[Anthropic | None, doc("With type Anthropic, where it is required. Default: none.")] = None
    bedrock: Annotated[Bedrock | None, doc("With type Bedrock, where it is required. Default: none.")] = None
    claude_platform_aws: Annotated[
        ClaudePlatformAWS | None, doc("With type ClaudePlatformAWS, where it is required. Default: none.")
    ] = None
    vertex_ai: Annotated[VertexAI | None, doc("With type VertexAI, where it is required. Default: none.")] = None
    foundry: Annotated[Foundry | None, doc("With type Foundry, where it is required. Default: none.")] = None
    models: Annotated[
        list[ServedModel],
        doc(
            "Models that the upstream knows by another name than the catalogue says, or that the catalogue "
            "lacks. Default: none.",
            max_length=128,
        ),
        map_list("id"),
    ] = []
    only_listed_models: Annotated[
        bool,
        doc("Whether the upstream serves `models` alone. Otherwise it serves the built-in models too.", example=True),
    ] = False
    request_filters: Annotated[
        RequestFilters,
        doc(
            "What is taken out of requests because the upstream does not take it. Default: what is known of its type.",
            example={"keep": ["cache-scope"]},
        ),
    ] = RequestFilters()
    pricing: Annotated[
        Pricing, doc("Prices of models at this upstream. Default: the gateway's, then list prices.")
    ] = []
    forward_user_identity: Annotated[
        bool,
        doc(
            "Whether the caller's id and email are sent to the upstream, as the headers `x-claude-gateway-user-id`, "
            "`x-claude-gateway-user-email` and `x-litellm-end-user-id`.",
            example=True,
        ),
    ] = False
    max_concurrent_requests: Annotated[
        int, doc("Requests that a pod has open here at once. 0: unbounded.", example=200, ge=0, le=1_000_000)
    ] = 0
    timeouts: Annotated[
        Timeouts,
        doc(
            "How long the gateway waits. Default: 5s to connect, 2m for the first byte, 5m for the next one.",
            example={"firstByte": "1m"},
        ),
    ] = Timeouts()
    health: Annotated[
        Health,
        doc(
            "When the upstream is moved behind the others. Default: after 3 failures in a row, for 30s.",
            example={"coolDown": "1m"},
        ),
    ] = Health()

    object_rules = (
        *member_rules("anthropic", "anthropic", "Anthropic"),
        *member_rules("bedrock", "bedrock", "Bedrock"),
        *member_rules("claudePlatformAWS", "claude_platform_aws", "ClaudePlatformAWS"),
        *member_rules("vertexAI", "vertex_ai", "VertexAI"),
        *member_rules("foundry", "foundry", "Foundry"),
        Rule(
            cel="!self.onlyListedModels || (has(self.models) && size(self.models) > 0)",
            message="onlyListedModels without models serves no model: list models, or remove onlyListedModels",
            holds=lambda it: not it.only_listed_models or bool(it.models),
            path=".onlyListedModels",
        ),
    )


class ProviderBinding(Model):
    """One upstream that gateways send requests to, with its credential."""

    api_version: Literal["claude-gateway.dev/v1alpha1"]
    kind: Literal["ProviderBinding"]
    metadata: ObjectMeta
    spec: Annotated[
        ProviderBindingSpec,
        doc(
            "What the upstream is, and which gateways use it.",
            example={
                "gatewayRefs": [{"name": "corp"}],
                "type": "Anthropic",
                "anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}},
            },
        ),
    ]
    status: Annotated[AttachedStatus | None, doc("State of the binding, written by the operator.")] = None

    object_rules = (SHORT_NAME_RULE,)
