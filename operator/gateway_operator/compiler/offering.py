"""What each binding of a gateway serves: its models, the ids that its upstream knows them by, and who may ask."""

from dataclasses import dataclass

from gateway_config.contract import Configuration, Policy, Upstream
from gateway_operator.compiler.compile import Compiled


@dataclass(frozen=True, slots=True)
class OfferedModel:
    id: str
    """Canonical."""
    upstream_id: str
    display_name: str
    listed: bool
    """False: in `GET /v1/models` only where the caller's policy names it."""
    max_input_tokens: int | None
    policies: tuple[str, ...]
    """That let a request for it go to this binding, in matching order, the base layer (`base`) last."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One binding."""

    binding: str
    type: str
    region: str
    priority: int
    models: tuple[OfferedModel, ...]
    """In the catalogue's order."""


@dataclass(frozen=True, slots=True)
class Offering:
    """One gateway."""

    offers: tuple[Offer, ...]
    """By priority, high first, then by name."""
    left_out: tuple[tuple[str, str], ...]
    """Binding → why it serves nothing."""
    unserved: tuple[str, ...]
    """Models of the catalogue that no binding serves."""


BASE_LAYER = "base"


def offering(compiled: Compiled) -> Offering:
    """Raises ValueError when there is no configuration."""
    configuration = compiled.configuration
    if configuration is None:
        raise ValueError("the gateway has no configuration: its findings say why")
    served = {model for upstream in configuration.upstreams for model in upstream.models}
    return Offering(
        offers=tuple(_offer(upstream, configuration) for upstream in configuration.upstreams),
        left_out=tuple(sorted(compiled.sources.bindings_left_out.items())),
        unserved=tuple(model.id for model in configuration.models if model.id not in served),
    )


def _offer(upstream: Upstream, configuration: Configuration) -> Offer:
    return Offer(
        binding=upstream.name,
        type=upstream.type,
        region=upstream.region,
        priority=upstream.priority,
        models=tuple(
            OfferedModel(
                id=model.id,
                upstream_id=upstream.models[model.id],
                display_name=model.display_name,
                listed=model.listed,
                max_input_tokens=model.max_input_tokens,
                policies=tuple(_allowing(configuration, upstream.name, model.id)),
            )
            for model in configuration.models
            if model.id in upstream.models
        ),
    )


def _allowing(configuration: Configuration, upstream: str, model: str) -> list[str]:
    named = [policy.name for policy in configuration.policies if _allows(policy, upstream, model)]
    base = configuration.base
    return [*named, BASE_LAYER] if base is not None and _allows(base, upstream, model) else named


def _allows(policy: Policy, upstream: str, model: str) -> bool:
    if policy.access == "Deny" or policy.invalid is not None:
        return False
    return (policy.models is None or model in policy.models) and (
        policy.upstreams is None or upstream in policy.upstreams
    )
