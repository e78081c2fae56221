"""ConfigMaps, by their metadata alone: the gateways whose objects refer to them."""

from gateway_operator import metrics
from gateway_operator.handlers.intake import Intake
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import CONFIG_MAPS
from gateway_operator.kube.watching import EventType, Watch


def watch(client: KubeClient, intake: Intake, *, namespace: str | None) -> Watch:
    def handle(_: EventType, config_map: Object) -> None:
        metadata = config_map["metadata"]
        intake.enqueue(intake.fanout.gateways_of_config_map(metadata["namespace"], metadata["name"]))

    return Watch(
        client,
        CONFIG_MAPS,
        namespace=namespace,
        metadata_only=True,
        on_event=handle,
        on_restart=metrics.watch_restarted,
    )
