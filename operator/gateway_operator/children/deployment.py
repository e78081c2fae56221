"""The Deployment: how many pods, and how new ones take the place of old ones."""

from typing import Any, Final

from gateway_operator.children import volume_claim
from gateway_operator.children.pod import pod_template
from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import DEPLOYMENTS

DEFAULT_REPLICAS: Final = 2
MIN_READY_SECONDS: Final = 5
"""A load balancer needs a moment to learn of a new pod; only then an old one may go."""


def deployment(subject: Subject) -> Manifest:
    """Without `replicas` where an autoscaler owns the number."""
    count = {"replicas": replicas(subject)} if subject.spec.autoscaling is None else {}
    spec: dict[str, Any] = {
        **count,
        "selector": {"matchLabels": subject.selector},
        "minReadySeconds": MIN_READY_SECONDS,
        "strategy": _strategy(subject),
        "template": pod_template(subject),
    }
    return subject.manifest(DEPLOYMENTS, spec=spec)


def replicas(subject: Subject) -> int:
    asked = subject.spec.replicas
    if asked is not None:
        return asked
    return 1 if volume_claim.wanted(subject) else DEFAULT_REPLICAS


def _strategy(subject: Subject) -> Manifest:
    """Never a pod less than there should be; but the volume of an Embedded store goes from one pod to the next, so the
    old one has to end first."""
    if volume_claim.wanted(subject):
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
