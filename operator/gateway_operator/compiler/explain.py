"""Who may do what, why, and which object said so: the answer that the proxy would give, taken apart."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway_config import denials
from gateway_config.callers import Caller, matches
from gateway_config.contract import Configuration, Match, Policy
from gateway_config.managed_settings import managed_settings, telemetry_environment
from gateway_config.models import ModelNames
from gateway_operator.compiler.caps import Cap, caps_of
from gateway_operator.compiler.compile import Compiled
from gateway_operator.compiler.layers import Statement, part_sources
from gateway_operator.compiler.snapshot import ObjectRef

Parts = Mapping[str, tuple[ObjectRef, ...]]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A policy that comes before the one that decides, and does not speak of the caller."""

    policy: str
    why: str


@dataclass(frozen=True, slots=True)
class ExplainedModel:
    id: str
    display_name: str
    upstreams: tuple[str, ...]
    """In the order tried; empty: granted, but served by nothing that is open to the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One upstream of a route."""

    upstream: str
    model: str
    """The id that the upstream knows the model by."""
    priority: int
    weight: int
    share: float
    """Of the sessions that come to this priority, those that begin here: 1 where no other has the priority."""
    max_concurrent_requests: int
    """Of one pod; 0: unbounded."""
    failures_before_cool_down: int
    cool_down_seconds: float


@dataclass(frozen=True, slots=True)
class SkippedUpstream:
    upstream: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """What becomes of a request for one model."""

    asked: str
    id: str | None
    """Canonical; None when the name means no model of this gateway."""
    route: tuple[Hop, ...] = ()
    """Tried in this order, except that each session has an order of its own among equal priorities. Empty: the request
    is refused."""
    skipped: tuple[SkippedUpstream, ...] = ()
    sentence: str | None = None
    """What the developer would read; None when the request goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One caller on one gateway."""

    gateway: str
    caller: Caller
    policy: str | None
    """The policy that decides; None: no policy matches and there is no base layer."""
    layer: Literal["Match", "Base", "None"]
    passed_over: tuple[PassedOver, ...] = ()
    access: Literal["Allow", "Deny"] = "Deny"
    sentence: str | None = None
    """What the developer would read on every request; None when requests are let in."""
    sources: Parts = field(default_factory=dict)
    """Part of the policy (`access`, `availableModels`, `providers`, `rateLimits`, `settings.<key>`, `desktop`) → the
    policies that gave it, the base layer first. A part without an entry has its default."""
    models: tuple[ExplainedModel, ...] = ()
    settings: Mapping[str, Any] | None = None
    """The managed settings, with what makes the client report to the gateway's collectors; None: none are served."""
    desktop: Mapping[str, Any] | None = None
    """Claude Desktop's own keys; None: it is not configured."""
    rate_limits: Mapping[str, int] = field(default_factory=dict)
    """By field name; one that is not there is unlimited."""
    caps: tuple[Cap, ...] = ()
    model: ModelAnswer | None = None


def explain(compiled: Compiled, caller: Caller, model: str | None = None) -> Explanation:
    """What `compiled` does with `caller` and, if given, with a request of theirs for `model`.

    Raises ValueError when there is no configuration to explain.
    """
    configuration = compiled.configuration
    if configuration is None:
        raise ValueError("the gateway has no configuration: its findings say why")
    policy, layer, passed_over = _deciding(configuration, caller)
    gateway = f"{configuration.gateway.namespace}/{configuration.gateway.name}"
    if policy is None:
        return Explanation(
            gateway=gateway,
            caller=caller,
            policy=None,
            layer="None",
            passed_over=passed_over,
            sentence=denials.no_policy(),
            model=_refused(configuration, model, denials.no_policy()),
        )
    statements = compiled.sources.base if layer == "Base" else compiled.sources.policies.get(policy.name, ())
    sentence = _refusal(policy)
    return Explanation(
        gateway=gateway,
        caller=caller,
        policy=policy.name,
        layer=layer,
        passed_over=passed_over,
        access="Deny" if sentence else "Allow",
        sentence=sentence,
        sources=_sources(configuration, policy, statements),
        models=_models(configuration, policy),
        settings=None if policy.invalid is not None else managed_settings(configuration, policy),
        desktop=policy.desktop,
        rate_limits=_rate_limits(policy),
        caps=caps_of(_matching(compiled, configuration, caller), mode=compiled.sources.group_limit_mode),
        model=_refused(configuration, model, sentence)
        if sentence
        else _answer(configuration, policy, compiled.sources.bindings_left_out, model),
    )


def _deciding(
    configuration: Configuration, caller: Caller
) -> tuple[Policy | None, Literal["Match", "Base", "None"], tuple[PassedOver, ...]]:
    passed_over: list[PassedOver] = []
    for policy in configuration.policies:
        misses = [_miss(match, caller) for match in policy.matches]
        if "" in misses:
            return policy, "Match", tuple(passed_over)
        why = "; ".join(f"matches[{position}]: {miss}" for position, miss in enumerate(misses))
        passed_over.append(PassedOver(policy.name, why))
    return configuration.base, "None" if configuration.base is None else "Base", tuple(passed_over)


def _miss(match: Match, caller: Caller) -> str:
    """Which members of an entry do not hold for the caller; empty when all do."""
    missed = []
    for member, field_name in (
        ("groups", "groups"),
        ("users", "users"),
        ("email_domains", "emailDomains"),
        ("workloads", "workloads"),
        ("identity_providers", "identityProviders"),
    ):
        wanted: tuple[str, ...] = getattr(match, member)
        if wanted and not matches(Match(**{member: wanted}), caller):
            missed.append(f"{field_name} asks for {_any_of(wanted)}")
    return " and ".join(missed)


def _any_of(values: Sequence[str]) -> str:
    shown = ", ".join(values[:5])
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown


def _refusal(policy: Policy) -> str | None:
    if policy.invalid is not None:
        return denials.policy_invalid(policy.name)
    return denials.access_denied(policy.name) if policy.access == "Deny" else None


def _sources(configuration: Configuration, policy: Policy, statements: Sequence[Statement]) -> Parts:
    sources = part_sources(statements)
    gateway = ObjectRef("GatewayDeployment", configuration.gateway.namespace, configuration.gateway.name)
    for variable in telemetry_environment(configuration) if policy.invalid is None else ():
        sources.setdefault(f"settings.env.{variable}", (gateway,))
    if policy.settings is not None and "availableModels" in sources:
        sources["settings.availableModels"] = sources["availableModels"]
    return sources


def _rate_limits(policy: Policy) -> Mapping[str, int]:
    limits = policy.rate_limits
    named = {
        "requestsPerMinute": limits.requests_per_minute,
        "tokensPerMinute": limits.tokens_per_minute,
        "openStreams": limits.open_streams,
    }
    return {name: most for name, most in named.items() if most is not None}


def _models(configuration: Configuration, policy: Policy) -> tuple[ExplainedModel, ...]:
    if policy.invalid is not None:
        return ()
    return tuple(
        ExplainedModel(
            model.id, model.display_name, tuple(hop.upstream for hop in _route(configuration, policy, model.id))
        )
        for model in configuration.models
        if policy.models is None or model.id in policy.models
    )


def _route(configuration: Configuration, policy: Policy, model: str) -> tuple[Hop, ...]:
    serving = [
        upstream
        for upstream in configuration.upstreams
        if model in upstream.models and (policy.upstreams is None or upstream.name in policy.upstreams)
    ]
    weights: Counter[int] = Counter()
    for upstream in serving:
        weights[upstream.priority] += upstream.weight
    return tuple(
        Hop(
            upstream=upstream.name,
            model=upstream.models[model],
            priority=upstream.priority,
            weight=upstream.weight,
            share=upstream.weight / weights[upstream.priority],
            max_concurrent_requests=upstream.max_concurrent_requests,
            failures_before_cool_down=upstream.health.failures_before_cool_down,
            cool_down_seconds=upstream.health.cool_down_seconds,
        )
        for upstream in serving
    )


def _refused(configuration: Configuration, asked: str | None, sentence: str) -> ModelAnswer | None:
    if asked is None:
        return None
    return ModelAnswer(asked=asked, id=ModelNames(configuration.models).canonical(asked), sentence=sentence)


def _answer(
    configuration: Configuration, policy: Policy, left_out: Mapping[str, str], asked: str | None
) -> ModelAnswer | None:
    if asked is None:
        return None
    canonical = ModelNames(configuration.models).canonical(asked)
    open_models = [model.id for model in _models(configuration, policy) if model.upstreams]
    if canonical is None:
        return ModelAnswer(asked=asked, id=None, sentence=denials.model_unknown(asked, open_models))
    skipped = tuple(_skipped(configuration, policy, canonical, left_out))
    if policy.models is not None and canonical not in policy.models:
        sentence = denials.model_not_allowed(asked, open_models)
        return ModelAnswer(asked=asked, id=canonical, skipped=skipped, sentence=sentence)
    route = _route(configuration, policy, canonical)
    return ModelAnswer(
        asked=asked,
        id=canonical,
        route=route,
        skipped=skipped,
        sentence=None if route else denials.model_without_upstream(asked),
    )


def _skipped(
    configuration: Configuration, policy: Policy, model: str, left_out: Mapping[str, str]
) -> Iterable[SkippedUpstream]:
    for upstream in configuration.upstreams:
        if policy.upstreams is not None and upstream.name not in policy.upstreams:
            yield SkippedUpstream(upstream.name, "the policy's providers do not name it")
        elif model not in upstream.models:
            yield SkippedUpstream(upstream.name, "it does not serve the model: map it in the binding's spec.models")
    for name, why in left_out.items():
        yield SkippedUpstream(name, f"the binding is left out: {why}")


def _matching(
    compiled: Compiled, configuration: Configuration, caller: Caller
) -> Iterable[tuple[Match | None, Statement]]:
    """Every policy that matches the caller, with the entry that does; the base layer with None."""
    for policy in configuration.policies:
        entry = next((match for match in policy.matches if matches(match, caller)), None)
        statements = compiled.sources.policies.get(policy.name, ())
        if entry is not None and statements:
            yield entry, statements[-1]
    for statement in compiled.sources.base:
        yield None, statement
