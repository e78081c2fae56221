"""Puts together what a leader's queues do: reading, compiling, writing, observing pods and reporting."""

from collections.abc import Callable, Collection
from importlib.metadata import version

from gateway_operator import names
from gateway_operator.children import ChildSettings
from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout
from gateway_operator.kube.client import KubeClient
from gateway_operator.operation import Work
from gateway_operator.reconcile.events import EventRecorder
from gateway_operator.reconcile.gateway import GatewayReconciler
from gateway_operator.reconcile.observer import Observer
from gateway_operator.reconcile.pods import PodTable
from gateway_operator.reconcile.publish import Publisher
from gateway_operator.settings import Settings


def assemble(*, client: KubeClient, settings: Settings, fanout: Fanout, report: Callable[[ObjectRef], None]) -> Work:
    """`report` asks for a gateway's statuses to be composed anew."""
    pods = PodTable()
    observer = Observer(client=client, pods=pods, on_change=report)
    events = EventRecorder(client=client, instance=settings.holder)

    def gateways_of(ref: ObjectRef) -> Collection[ObjectRef]:
        """Those that an object names and that are ours to look after: nobody else's report is waited for."""
        named = fanout.gateways_of(ref)
        return [gateway for gateway in named if settings.looks_after(gateway.namespace)]

    publisher = Publisher(
        client=client, pods=pods, observer=observer, events=events, on_change=report, gateways_of=gateways_of
    )

    reconciler = GatewayReconciler(
        client=client,
        settings=ChildSettings(
            image=settings.proxy_image or f"{names.PROXY}:{version('claude-gateway-operator')}",
            operator_namespace=settings.operator_namespace or client.namespace,
            operator_pod_labels=settings.operator_pod_labels or {names.NAME_LABEL: names.MANAGER},
            image_pull_policy=settings.image_pull_policy,
        ),
        fanout=fanout,
        observer=observer,
        pods=pods,
        on_outcome=publisher.take,
        namespaces=settings.namespaces,
    )
    return Work(
        reconcile=reconciler.reconcile,
        publish=publisher.publish,
        pods=pods,
        serve=reconciler.serve,
        tasks={"pods observer": observer.run, "event recorder": events.run},
    )
