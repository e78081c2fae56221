"""The compiler: all that speaks of a gateway → the configuration its proxies act on, and what is wrong with it."""

from gateway_operator.compiler.caps import Cap
from gateway_operator.compiler.compile import Compiled, Sources, compile_gateway, gateways, lint
from gateway_operator.compiler.explain import Explanation, ModelAnswer, explain
from gateway_operator.compiler.findings import Finding, Severity
from gateway_operator.compiler.inventory import Validation
from gateway_operator.compiler.snapshot import ConfigMap, ObjectRef, Resource, Secret, Snapshot
from gateway_operator.compiler.store import StoreDefault

__all__ = [
    "Cap",
    "Compiled",
    "ConfigMap",
    "Explanation",
    "Finding",
    "ModelAnswer",
    "ObjectRef",
    "Resource",
    "Secret",
    "Severity",
    "Snapshot",
    "Sources",
    "StoreDefault",
    "Validation",
    "compile_gateway",
    "explain",
    "gateways",
    "lint",
]
