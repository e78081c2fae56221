"""Namespaces, by their metadata alone: when labels change, the gateways that choose namespaces by them."""

from gateway_operator import metrics
from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import NAMESPACES
from gateway_operator.kube.watching import EventType, Watch


def watch(client: KubeClient, intake: Intake) -> Watch:
    """Of the whole cluster: an operator that looks after a list of namespaces may not watch these."""
    labels: dict[str, frozenset[tuple[str, str]]] = {}

    def handle(event_type: EventType, namespace: Object) -> None:
        metadata = namespace["metadata"]
        name, before = metadata["name"], labels.get(metadata["name"])
        now = frozenset((metadata.get("labels") or {}).items())
        if event_type is EventType.DELETED:
            labels.pop(name, None)
        else:
            labels[name] = now
        if event_type is EventType.DELETED or now != before:
            intake.enqueue(intake.fanout.gateways_selecting_namespaces())

    return Watch(client, NAMESPACES, metadata_only=True, on_event=handle, on_restart=metrics.watch_restarted)
