"""What the operator made for a gateway, Secrets aside, by metadata alone: its gateway, whoever changed it."""

from typing import Final

from gateway_operator import metrics
from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    INGRESSES,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    ResourceKind,
)
from gateway_operator.kube.watching import EventType, Watch
from gateway_operator.names import GATEWAY_LABEL, MANAGED_BY_LABEL, MANAGER

KINDS: Final = (
    SERVICE_ACCOUNTS,
    SERVICES,
    PERSISTENT_VOLUME_CLAIMS,
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    NETWORK_POLICIES,
    INGRESSES,
    HORIZONTAL_POD_AUTOSCALERS,
)
"""Those that every cluster has; `OPTIONAL_KINDS` of the children are watched once the API server has them."""


def watch(client: KubeClient, intake: Intake, kind: ResourceKind, *, namespace: str | None) -> Watch:
    def handle(_: EventType, child: Object) -> None:
        intake.labelled(child)

    return Watch(
        client,
        kind,
        namespace=namespace,
        labels=f"{MANAGED_BY_LABEL}={MANAGER}",
        metadata_only=True,
        keep_label=GATEWAY_LABEL,
        on_event=handle,
        on_restart=metrics.watch_restarted,
    )
