"""Kinds that a cluster need not have: followed from when it has them, by one watch however often they come and go."""

import asyncio
from collections import Counter
from typing import Any, cast

from tests.process import virtual_time

from gateway_operator.health import Health
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import NotFoundError
from gateway_operator.kube.resources import SERVICE_MONITORS, ResourceKind
from gateway_operator.operation import Operation, Work
from gateway_operator.reconcile.pods import PodTable
from gateway_operator.settings import Settings


class Server:
    """An API server whose lists of the kind are never answered with anything."""

    def __init__(self) -> None:
        self.served: set[ResourceKind] = set()

    async def serves(self, kind: ResourceKind) -> bool:
        return kind in self.served

    async def listing(self, *_: Any, **__: Any) -> Any:
        raise NotFoundError("the server could not find the requested resource", status=404)


def test_a_kind_that_comes_goes_and_comes_again_is_watched_once() -> None:
    told: list[frozenset[ResourceKind]] = []

    async def never(*_: Any) -> None:
        raise AssertionError("nothing is to be worked on")

    async def scenario() -> None:
        server = Server()
        operation = Operation(
            client=cast("KubeClient", server),
            settings=Settings(),
            health=Health(),
            work=lambda *_: Work(reconcile=never, publish=never, pods=PodTable(), serve=told.append),
            on_signals_lost=lambda: None,
        )
        for served in (set[ResourceKind](), {SERVICE_MONITORS}, set[ResourceKind](), {SERVICE_MONITORS}):
            server.served = served
            await operation._discover()
        watches = Counter(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("watch"))
        assert watches == {"watch of servicemonitors": 1}
        assert told == [frozenset(), {SERVICE_MONITORS}, frozenset(), {SERVICE_MONITORS}]
        await operation.stop()

    virtual_time.run(scenario())
