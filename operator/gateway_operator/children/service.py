"""The Service of a gateway, and the one that Prometheus finds the pods by."""

from typing import Any

from gateway_operator import names
from gateway_operator.api.v1alpha1.exposure import ExposureType, LoadBalancerExposure
from gateway_operator.children.subject import METRICS, METRICS_PORT, Manifest, Subject
from gateway_operator.kube.resources import SERVICES


def service(subject: Subject) -> Manifest:
    """It has the developers' port alone: a load balancer would publish every other one, metrics too."""
    exposure = subject.spec.exposure
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "selector": subject.selector,
        "ports": [
            {
                "name": subject.port_name,
                "port": subject.service_port,
                "targetPort": subject.port_name,
                "protocol": "TCP",
                "appProtocol": subject.port_name,
            }
        ],
    }
    annotations: dict[str, str] = {}
    if exposure.type == ExposureType.LOAD_BALANCER:
        balancer = exposure.load_balancer or LoadBalancerExposure()
        spec["type"] = "LoadBalancer"
        if balancer.load_balancer_class:
            spec["loadBalancerClass"] = balancer.load_balancer_class
        annotations = balancer.annotations
    return subject.manifest(SERVICES, annotations=annotations, spec=spec)


def metrics_service(subject: Subject) -> Manifest:
    """Headless, and there for the ServiceMonitor only."""
    return subject.manifest(
        SERVICES,
        name=names.metrics_service(subject.name),
        spec={
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": subject.selector,
            "ports": [{"name": METRICS, "port": METRICS_PORT, "targetPort": METRICS, "protocol": "TCP"}],
        },
    )
