"""Which fields this version acts on. All others are accepted and reported: silence would look like protection."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from gateway_operator.api.v1alpha1.gateway_deployment import GatewayDeployment
from gateway_operator.api.v1alpha1.gateway_policy import GatewayPolicy
from gateway_operator.api.v1alpha1.provider_binding import ProviderBinding
from gateway_operator.api.v1alpha1.validation import Resource, Violation

ACTED_ON: Final[dict[type[BaseModel], dict[str, frozenset[str]]]] = {
    GatewayDeployment: {
        "spec.publicURL": frozenset(),
        "spec.image": frozenset(),
        "spec.replicas": frozenset(),
        "spec.autoscaling": frozenset(),
        "spec.resources": frozenset(),
        "spec.podTemplate": frozenset(),
        "spec.disruptionBudget": frozenset(),
        "spec.exposure": frozenset(),
        "spec.networkPolicy": frozenset(),
        "spec.session": frozenset(),
        "spec.identity": frozenset(),
        "spec.store": frozenset(),
        "spec.spend.adminGroups": frozenset(),
        "spec.models": frozenset(),
        "spec.http": frozenset(),
        "spec.safeguards": frozenset(),
        "spec.spend.billingGroupTag": frozenset(),
        "spec.drain": frozenset(),
        "spec.telemetry": frozenset(),
        "spec.audit.stdout": frozenset(),
        "spec.egress": frozenset(),
        "spec.allowedBindings": frozenset(),
        "spec.allowedPolicies": frozenset(),
    },
    ProviderBinding: {
        "spec.gatewayRefs": frozenset(),
        "spec.priority": frozenset(),
        "spec.weight": frozenset(),
        "spec.type": frozenset(),
        "spec.anthropic": frozenset(),
        "spec.bedrock": frozenset(),
        "spec.claudePlatformAWS": frozenset(),
        "spec.vertexAI": frozenset(),
        "spec.foundry": frozenset(),
        "spec.models": frozenset(),
        "spec.requestFilters": frozenset(),
        "spec.forwardUserIdentity": frozenset(),
        "spec.onlyListedModels": frozenset(),
        "spec.maxConcurrentRequests": frozenset(),
        "spec.timeouts": frozenset(),
        "spec.health": frozenset(),
    },
    GatewayPolicy: {
        "spec.gatewayRefs": frozenset(),
        "spec.priority": frozenset(),
        "spec.matches": frozenset(),
        "spec.access": frozenset(),
        "spec.availableModels": frozenset(),
        "spec.providers": frozenset(),
        "spec.rateLimits": frozenset(),
        "spec.settings": frozenset(),
        "spec.desktop": frozenset(),
    },
}
"""By kind, the fields with everything below them; where values are named, those values only."""


def not_implemented(resource: Resource) -> list[Violation]:
    """Fields that are set to something else than their default and that this version does not act on."""
    return list(_walk(resource.spec, "spec", ACTED_ON[type(resource)]))


def _walk(model: BaseModel, path: str, acted_on: dict[str, frozenset[str]]) -> Iterator[Violation]:
    for name in sorted(model.model_fields_set):
        field = type(model).model_fields[name]
        value = getattr(model, name)
        here = f"{path}.{field.alias}"
        if value == field.get_default():
            continue
        if here in acted_on:
            if acted_on[here] and value not in acted_on[here]:
                yield Violation(here, f"{value} is accepted, but this version does not act on it yet")
        elif isinstance(value, BaseModel) and any(known.startswith(f"{here}.") for known in acted_on):
            yield from _walk(value, here, acted_on)
        else:
            yield Violation(here, "is accepted, but this version does not act on it yet")
