"""Secrets, by their metadata alone: the gateways whose objects refer to them, and those whose keys they are."""

from gateway_operator import metrics
from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import SECRETS
from gateway_operator.kube.watching import EventType, Watch
from gateway_operator.names import GATEWAY_LABEL


def watch(client: KubeClient, intake: Intake, *, namespace: str | None) -> Watch:
    def handle(_: EventType, secret: Object) -> None:
        metadata = secret["metadata"]
        intake.enqueue(intake.fanout.gateways_of_secret(metadata["namespace"], metadata["name"]))
        intake.labelled(secret)

    return Watch(
        client,
        SECRETS,
        namespace=namespace,
        metadata_only=True,
        keep_label=GATEWAY_LABEL,
        on_event=handle,
        on_restart=metrics.watch_restarted,
    )
