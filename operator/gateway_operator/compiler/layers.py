"""What one policy says, and what several say together when laid over each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway_operator.api.v1alpha1.gateway_policy import SpendLimit
from gateway_operator.compiler.merge import merge_desktop, merge_settings, settings_sources
from gateway_operator.compiler.snapshot import ObjectRef

Access = Literal["Allow", "Deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The parts of a policy. None: it says nothing of that part, so the layer below decides."""

    access: Access | None = None
    models: tuple[str, ...] | None = None
    """Canonical ids in the order written; empty means none."""
    upstreams: tuple[str, ...] | None = None
    """Names of upstreams; empty means none, ANY means every one."""
    settings: Mapping[str, Any] | None = None
    desktop: Mapping[str, Any] | None = None
    rate_limits: Mapping[str, int] | None = None
    """Those that the policy sets, by field name."""


ANY_UPSTREAM = ("*",)
"""What `providers: []` means: every upstream, whatever the base layer says."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A layer and the policy that it is of."""

    ref: ObjectRef
    layer: Layer
    spend_limits: tuple[SpendLimit, ...] = ()


def over(base: Layer, specific: Layer) -> Layer:
    """`specific` laid over `base`: what it says replaces what the base says. Settings are merged, rate limits
    taken one by one."""
    return Layer(
        access=base.access if specific.access is None else specific.access,
        models=base.models if specific.models is None else specific.models,
        upstreams=base.upstreams if specific.upstreams is None else specific.upstreams,
        settings=merge_settings(base.settings, specific.settings),
        desktop=merge_desktop(base.desktop, specific.desktop),
        rate_limits=_joined(base.rate_limits, specific.rate_limits),
    )


def _joined(base: Mapping[str, int] | None, specific: Mapping[str, int] | None) -> Mapping[str, int] | None:
    if base is None or specific is None:
        return base if specific is None else specific
    return {**base, **specific}


def part_sources(statements: Sequence[Statement]) -> dict[str, tuple[ObjectRef, ...]]:
    """Which policies gave each part of what `statements`, the lowest first, say together."""
    found: dict[str, tuple[ObjectRef, ...]] = {}
    for name, attribute in (
        ("access", "access"),
        ("availableModels", "models"),
        ("providers", "upstreams"),
    ):
        for statement in statements:
            if getattr(statement.layer, attribute) is not None:
                found[name] = (statement.ref,)
    for statement in statements:
        found |= {f"rateLimits.{limit}": (statement.ref,) for limit in statement.layer.rate_limits or ()}
    desktop = tuple(statement.ref for statement in statements if statement.layer.desktop is not None)
    if desktop:
        found["desktop"] = desktop
    settings = settings_sources([(statement.ref, statement.layer.settings) for statement in statements])
    return found | {f"settings.{name}": refs for name, refs in settings.items()}
