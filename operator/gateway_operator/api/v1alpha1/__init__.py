"""The custom resources, version v1alpha1: models, one-object rules, validation."""

from gateway_operator.api.v1alpha1.base import GROUP, VERSION
from gateway_operator.api.v1alpha1.conditions import (
    UNKNOWN_CONDITIONS,
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
)
from gateway_operator.api.v1alpha1.gateway_deployment import GatewayDeployment
from gateway_operator.api.v1alpha1.gateway_policy import GatewayPolicy
from gateway_operator.api.v1alpha1.not_implemented import not_implemented
from gateway_operator.api.v1alpha1.provider_binding import ProviderBinding
from gateway_operator.api.v1alpha1.validation import KINDS, InvalidObject, Resource, Violation, validate

__all__ = [
    "GROUP",
    "KINDS",
    "UNKNOWN_CONDITIONS",
    "VERSION",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "GatewayDeployment",
    "GatewayPolicy",
    "InvalidObject",
    "ProviderBinding",
    "Reason",
    "Resource",
    "Violation",
    "not_implemented",
    "validate",
]
