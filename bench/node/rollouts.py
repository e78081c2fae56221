"""Everything that takes pods away, with open streams through the Service: how many are cut, how many are refused."""

import time
from collections.abc import Callable, Sequence

from tests.node.gateways import NodeGateway
from tests.node.pod_changes import change_image, identities, restart, wait_ended, wait_evicted, wait_replaced
from tests.node.traffic import NewConnections, OpenStreams, counts, slow_streams

from bench.node.world import PODS, World, load_average
from bench.report import Result

STREAMS = 300
STREAM_SECONDS = 30.0
CONNECTIONS_PER_SECOND = 50.0
LEFT = 2
"""Pods after scaling down."""


def streams_kept(world: World) -> Sequence[Result]:
    changes: dict[str, Callable[[World, NodeGateway], None]] = {
        "rolling restart": _restart,
        "image change": _change_image,
        f"eviction of {PODS} pods": _evict_all,
        f"scale-down from {PODS} to {LEFT}": _scale_down,
    }
    return [_measure(world, name, change) for name, change in changes.items()]


def _measure(world: World, name: str, change: Callable[[World, NodeGateway], None]) -> Result:
    gateway = world.gateway()
    count, seconds = (60, 12.0) if world.quick else (STREAMS, STREAM_SECONDS)
    world.upstream.respond = slow_streams(seconds=seconds)
    world.progress(f"{name} with {count} streams")
    with (
        OpenStreams(gateway, count=count) as streams,
        NewConnections(gateway, per_second=CONNECTIONS_PER_SECOND) as connections,
    ):
        streams.wait_open()
        began = time.monotonic()
        before = identities(gateway.pods())
        change(world, gateway)
        taken = time.monotonic() - began
        wait_ended(world.kube, gateway, before - identities(gateway.pods()))
        beside = load_average()
    world.upstream.requests.clear()
    cut, refused, failed = streams.cut.total(), connections.refused.total(), connections.failed.total()
    wrong = counts(streams, connections)
    return Result(
        row="node",
        work=f"{name}, {count} open streams: cut, refused",
        ours=f"{cut} of {streams.ended + cut:,}, {refused} of {connections.answered + refused + failed:,}",
        mark="0, 0",
        met=not wrong,
        notes=(
            f"{taken:.0f} s until the new pods were ready; at the end {beside}",
            *((f"WRONG: {wrong}",) if wrong else ()),
        ),
        measured={
            "cut": cut, "ended": streams.ended, "refused": refused, "failed": failed,
            "connections": connections.answered, "seconds": taken,
        },
    )  # fmt: skip


def _restart(world: World, gateway: NodeGateway) -> None:
    before = identities(gateway.pods())
    restart(world.kube, gateway)
    wait_replaced(gateway, before)


def _change_image(world: World, gateway: NodeGateway) -> None:
    before = identities(gateway.pods())
    change_image(world.kube, gateway)
    wait_replaced(gateway, before)


def _evict_all(world: World, gateway: NodeGateway) -> None:
    for pod in gateway.pods():
        wait_evicted(world.kube, pod)
    gateway.wait_pods(PODS, within=120.0)


def _scale_down(world: World, gateway: NodeGateway) -> None:
    world.kube.merge(gateway.deployment(), {"spec": {"replicas": LEFT}})
    gateway.wait_pods(LEFT)
