"""Pods of the gateways, whole: into the table of pods, which keeps what matters of each."""

from collections.abc import Callable

from gateway_operator import metrics
from gateway_operator.kube.client import KubeClient, Object, Objects
from gateway_operator.kube.resources import PODS
from gateway_operator.kube.watching import EventType, Watch
from gateway_operator.reconcile.pods import SELECTOR


def watch(
    client: KubeClient,
    *,
    on_event: Callable[[EventType, Object], None],
    on_listed: Callable[[Objects], None],
    namespace: str | None,
) -> Watch:
    return Watch(
        client,
        PODS,
        namespace=namespace,
        labels=SELECTOR,
        on_event=on_event,
        on_listed=on_listed,
        on_restart=metrics.watch_restarted,
    )
