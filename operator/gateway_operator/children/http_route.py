"""HTTPRoute (Gateway API) for the host of `publicURL`."""

from typing import Any

from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.exposure import ExposureType
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.kube.resources import HTTP_ROUTES


def asked(subject: Subject) -> bool:
    return subject.spec.exposure.type == ExposureType.HTTP_ROUTE


def served(subject: Subject) -> bool:
    return HTTP_ROUTES in subject.settings.serves


def unavailable(subject: Subject) -> Finding:
    """The gateway is sound and refers to something that this cluster does not have."""
    return error(
        subject.ref,
        "spec.exposure.type",
        Reason.EXPOSURE_UNAVAILABLE,
        f"HTTPRoute: this cluster does not serve {HTTP_ROUTES.api_version}: install the Gateway API's "
        "CustomResourceDefinitions, or choose Ingress, LoadBalancer or ClusterIP",
        condition="ResolvedRefs",
    )


def http_route(subject: Subject) -> Manifest:
    """Without an end to a request: an answer takes as long as the model does, and the gateway has its own timeouts."""
    exposure = subject.spec.exposure.http_route
    assert exposure is not None, "the schema asks for it with this type"
    parents: list[dict[str, Any]] = []
    for ref in exposure.parent_refs:
        parent: dict[str, Any] = {"group": HTTP_ROUTES.group, "kind": "Gateway", "name": ref.name}
        if ref.namespace is not None:
            parent["namespace"] = ref.namespace
        if ref.section_name is not None:
            parent["sectionName"] = ref.section_name
        if ref.port is not None:
            parent["port"] = ref.port
        parents.append(parent)
    spec: dict[str, Any] = {
        "parentRefs": parents,
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": subject.name, "port": subject.service_port, "weight": 1}
                ],
                "timeouts": {"request": "0s", "backendRequest": "0s"},
            }
        ],
    }
    if subject.public_host is not None:
        spec["hostnames"] = [subject.public_host]
    return subject.manifest(HTTP_ROUTES, spec=spec)
