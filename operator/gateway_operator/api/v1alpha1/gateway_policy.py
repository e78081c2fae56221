"""GatewayPolicy: who may do what."""

from typing import Annotated, Any, Literal

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import ATOMIC, FREE_FORM, map_list, set_list
from gateway_operator.api.v1alpha1.metadata import SHORT_NAME_RULE, ObjectMeta
from gateway_operator.api.v1alpha1.references import BindingRef, GatewayRefs
from gateway_operator.api.v1alpha1.scalars import Decimal, Domain, Label, ModelName, Word
from gateway_operator.api.v1alpha1.status import AttachedStatus

_FreeForm = Annotated[dict[str, Any], Field(max_length=512), FREE_FORM]
_MATCH_MEMBERS = ("groups", "emailDomains", "users", "workloads", "identityProviders")


class Match(Model):
    """Callers: every member given must hold, each by any of its values."""

    groups: Annotated[
        list[Word], doc("Groups; one is enough. Default: any.", example=["contractors"], max_length=256), set_list()
    ] = []
    email_domains: Annotated[
        list[Domain],
        doc("Domains of email addresses, in any case. Default: any.", example=["contractors.example"], max_length=256),
        set_list(),
    ] = []
    users: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=320)]],
        doc(
            "Ids or email addresses of users, in any case. Default: any.",
            example=["alice@corp.example"],
            max_length=1024,
        ),
        set_list(),
    ] = []
    workloads: Annotated[
        list[Label],
        doc("Sources of workload tokens, by name. Default: any.", example=["github"], max_length=64),
        set_list(),
    ] = []
    identity_providers: Annotated[
        list[Label], doc("Identity providers, by name. Default: any.", example=["okta"], max_length=64), set_list()
    ] = []

    object_rules = (
        Rule(
            cel=" || ".join(f"(has(self.{name}) && size(self.{name}) > 0)" for name in _MATCH_MEMBERS),
            message=(
                "an entry without a value would match everyone: name groups, emailDomains, users, workloads or "
                "identityProviders, or remove matches for the base layer"
            ),
            holds=lambda it: bool(it.groups or it.email_domains or it.users or it.workloads or it.identity_providers),
        ),
    )


class Access(Choice):
    ALLOW = "Allow"
    DENY = "Deny"


class Period(Choice):
    DAILY = "Daily"
    WEEKLY = "Weekly"
    MONTHLY = "Monthly"


class LimitScope(Choice):
    PER_USER = "PerUser"
    POOL = "Pool"


class SpendLimit(Model):
    """A cap on spend."""

    period: Annotated[
        Period, doc("What the cap is for; periods end at midnight UTC, weeks on Sunday.", example="Monthly")
    ]
    amount_usd: Annotated[Decimal, doc('US dollars. "0" blocks.', example="200")]
    scope: Annotated[
        LimitScope,
        doc("PerUser: each caller has that much. Pool: the callers of this policy share it.", example="Pool"),
    ] = LimitScope.PER_USER


class RateLimits(Model):
    """Limits for each user. 0 lifts a limit of the base layer."""

    requests_per_minute: Annotated[
        int | None, doc("Requests a minute. Default: unlimited.", example=60, ge=0, le=10_000_000)
    ] = None
    tokens_per_minute: Annotated[
        int | None,
        doc(
            "Tokens a minute, in and out; what is read from the prompt cache is free. Default: unlimited.",
            example=400000,
            ge=0,
            le=10_000_000_000,
        ),
    ] = None
    open_streams: Annotated[
        int | None,
        doc("Requests at once, streams and others. Default: unlimited.", example=8, ge=0, le=1_000_000),
    ] = None


class GatewayPolicySpec(Model):
    """Whom the policy is for, and what it says. What it leaves out, the base layer says."""

    gateway_refs: Annotated[
        GatewayRefs, doc("The gateways it holds for. Replaced as a whole.", example=[{"name": "corp"}])
    ]
    priority: Annotated[
        int | None,
        doc(
            "Of the policies that match a caller, the highest decides; among equals the older one. With "
            "`matches` only. Default: 0.",
            example=100,
            ge=-1_000_000,
            le=1_000_000,
        ),
    ] = None
    matches: Annotated[
        list[Match],
        doc(
            "Whom it is for; one entry is enough. Default: everyone whom no other policy matches (the base layer).",
            max_length=64,
        ),
        ATOMIC,
    ] = []
    access: Annotated[
        Access | None,
        doc("Deny: these callers may not use the gateway. Default: the base layer's, else Allow.", example="Deny"),
    ] = None
    available_models: Annotated[
        Annotated[list[ModelName], Field(max_length=256), set_list()] | None,
        doc(
            "Models that may be used; also written into the settings that the client gets. An empty list: none. "
            "Default: the base layer's, else every model.",
            example=["claude-haiku-5-5"],
        ),
    ] = None
    providers: Annotated[
        Annotated[list[BindingRef], Field(max_length=64), ATOMIC] | None,
        doc(
            "ProviderBindings that may serve these callers; an empty list: any. Default: the base layer's, else any.",
            example=[{"name": "bedrock-eu"}],
        ),
    ] = None
    settings: Annotated[
        _FreeForm | None,
        doc(
            "Managed settings for Claude Code, merged onto the base layer's and passed on as they are. Default: none.",
            example={"permissions": {"deny": ["WebFetch"]}},
        ),
    ] = None
    desktop: Annotated[
        _FreeForm | None,
        doc(
            "Configuration for Claude Desktop. `{}` turns it on. Default: Claude Desktop is not configured.", example={}
        ),
    ] = None
    spend_limits: Annotated[
        list[SpendLimit],
        doc("Caps on spend; they need a store. Caps of all policies that match count. Default: none.", max_length=6),
        map_list("period", "scope"),
    ] = []
    rate_limits: Annotated[RateLimits | None, doc("Limits for each user. Default: the base layer's, else none.")] = None

    object_rules = (
        Rule(
            cel="!has(self.priority) || (has(self.matches) && size(self.matches) > 0)",
            message=(
                "a policy without matches is the base layer, which has no priority: remove priority, or add matches"
            ),
            holds=lambda it: it.priority is None or bool(it.matches),
            path=".priority",
        ),
    )


class GatewayPolicy(Model):
    """What callers may do: access, models, settings, caps."""

    api_version: Literal["claude-gateway.dev/v1alpha1"]
    kind: Literal["GatewayPolicy"]
    metadata: ObjectMeta
    spec: Annotated[
        GatewayPolicySpec,
        doc(
            "Whom the policy is for, and what it says.",
            example={"gatewayRefs": [{"name": "corp"}], "availableModels": ["claude-haiku-5-5"]},
        ),
    ]
    status: Annotated[AttachedStatus | None, doc("State of the policy, written by the operator.")] = None

    object_rules = (SHORT_NAME_RULE,)
