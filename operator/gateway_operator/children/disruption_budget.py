"""PodDisruptionBudget: how many pods the drain of nodes may take at once."""

from gateway_operator.children.subject import Manifest, Subject
from gateway_operator.kube.resources import POD_DISRUPTION_BUDGETS


def disruption_budget(subject: Subject) -> Manifest:
    """Pods that are not ready may go at any time: a gateway that cannot start must not hold up a node's drain."""
    return subject.manifest(
        POD_DISRUPTION_BUDGETS,
        spec={
            "maxUnavailable": subject.spec.disruption_budget.max_unavailable,
            "selector": {"matchLabels": subject.selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
