"""The periodic look at everything: one list for all, nothing stale for what changed meanwhile, lost events repaired."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from tests.process import virtual_time

from gateway_operator.compiler import ObjectRef
from gateway_operator.fanout import Fanout, gateway_ref
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import DEPLOYMENTS, GATEWAY_POLICIES, ResourceKind
from gateway_operator.resync import GLANCE_SECONDS, Resync
from gateway_operator.shared_lists import SharedReader

CORP, LAB = gateway_ref("claude", "corp"), gateway_ref("claude", "lab")
Objects: TypeAlias = list[dict[str, Any]]


def an(kind: str, name: str, *, gateways: tuple[str, ...] = (), generation: int = 1) -> dict[str, Any]:
    metadata = {"namespace": "claude", "name": name, "uid": f"{kind}-{name}", "generation": generation}
    return {"kind": kind, "metadata": metadata, "spec": {"gatewayRefs": [{"name": each} for each in gateways]}}


class Server:
    def __init__(self) -> None:
        self.objects: Objects = [
            an("GatewayDeployment", "corp"),
            an("GatewayDeployment", "lab"),
            an("GatewayPolicy", "everyone", gateways=("corp",)),
        ]
        self.away = False
        self.lists = 0
        self.while_listing: Callable[[], None] = lambda: None

    def put(self, item: dict[str, Any]) -> None:
        self.drop(item["metadata"]["name"])
        self.objects.append(item)

    def drop(self, name: str) -> None:
        self.objects = [each for each in self.objects if each["metadata"]["name"] != name]

    async def serves(self, kind: ResourceKind) -> bool:
        return True

    async def list(self, kind: ResourceKind, namespace: str | None = None, **_: Any) -> Objects:
        await asyncio.sleep(0.1)
        self.lists += 1
        if self.away:
            raise UnavailableError("away")
        found = [each for each in self.objects if each["kind"] == kind.kind]
        self.while_listing()
        return found

    async def kept(
        self, kind: ResourceKind, namespace: str | None = None, *, keep: Callable[[dict[str, Any]], Any], **_: Any
    ) -> Objects:
        return [keep(item) for item in await self.list(kind, namespace)]

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> dict[str, Any] | None:
        items = [each for each in self.objects if (each["kind"], each["metadata"]["name"]) == (kind.kind, name)]
        return items[0] if items else None


class Setting:
    """A resync with a queue that does nothing but note what it was given."""

    def __init__(self, *, interval: float) -> None:
        self.server = Server()
        self.fanout = Fanout()
        self.added: list[tuple[ObjectRef, bool]] = []
        self.shared: dict[ObjectRef, bool] = {}
        self.listed, self.finished = asyncio.Event(), asyncio.Event()
        self.resync = Resync(
            client=cast("KubeClient", self.server),
            fanout=self.fanout,
            add=self.add,
            scopes=(None,),
            interval=interval,
            child_kinds=lambda: (DEPLOYMENTS,),
        )

    def add(self, gateway: ObjectRef, background: bool) -> None:
        self.added.append((gateway, background))
        asyncio.get_running_loop().call_later(1, self.work, gateway)

    def work(self, gateway: ObjectRef) -> None:
        self.shared[gateway] = isinstance(self.resync.reader_of(gateway), SharedReader)
        self.resync.done(gateway)

    async def run(self) -> None:
        await self.resync.run(listed=self.listed, finished=self.finished)


def play(scenario: Callable[[Setting], Awaitable[None]], *, interval: float = 600.0) -> None:
    async def together() -> None:
        setting = Setting(interval=interval)
        running = asyncio.create_task(setting.run())
        await scenario(setting)
        running.cancel()
        await asyncio.wait({running})

    virtual_time.run(together())


def test_every_gateway_is_reconciled_from_one_list_in_the_background() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        assert it.added == [(CORP, True), (LAB, True)]
        assert it.shared == {CORP: True, LAB: True}
        assert it.server.lists == 5, "three kinds and the children"

    play(scenario)


def test_a_gateway_that_an_object_names_and_that_is_not_there_is_looked_at_too() -> None:
    async def scenario(it: Setting) -> None:
        it.server.put(an("GatewayPolicy", "lost", gateways=("nowhere",)))
        await it.finished.wait()
        assert (gateway_ref("claude", "nowhere"), True) in it.added

    play(scenario)


def test_what_changed_since_the_lists_began_is_read_live() -> None:
    async def scenario(it: Setting) -> None:
        it.server.while_listing = lambda: it.resync.touch(CORP)
        await it.finished.wait()
        assert it.shared == {CORP: False, LAB: True}

    play(scenario)


def test_what_changed_after_the_lists_is_read_live() -> None:
    async def scenario(it: Setting) -> None:
        await it.listed.wait()
        it.resync.touch(LAB)
        await it.finished.wait()
        assert it.shared == {CORP: True, LAB: False}

    play(scenario)


def test_a_failed_list_empties_nothing_and_is_made_again() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        it.server.away = True
        it.added.clear()
        await asyncio.sleep(700)
        assert it.fanout.targets() == {CORP, LAB}
        assert it.added == []
        it.server.away = False
        await asyncio.sleep(60)
        assert it.added == [(CORP, True), (LAB, True)]

    play(scenario)


def test_an_edit_that_no_event_told_of_is_found_within_a_minute_or_so() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        await asyncio.sleep(10)
        it.added.clear()
        it.server.put(an("GatewayPolicy", "everyone", gateways=("lab",), generation=2))
        await asyncio.sleep(GLANCE_SECONDS + 1)
        assert sorted(it.added) == [(CORP, False), (LAB, False)]

    play(scenario)


def test_a_deletion_that_no_event_told_of_is_found_within_a_minute_or_so() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        await asyncio.sleep(10)
        it.added.clear()
        it.server.drop("everyone")
        await asyncio.sleep(GLANCE_SECONDS + 1)
        assert it.added == [(CORP, False)]

    play(scenario)


def test_between_rounds_nothing_is_looked_at_where_nothing_changed() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        it.added.clear()
        await asyncio.sleep(500)
        assert it.added == []
        await asyncio.sleep(200)
        assert it.added == [(CORP, True), (LAB, True)]

    play(scenario)


def test_events_of_children_that_the_round_wrote_cost_no_list_of_the_three_kinds() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        lists = it.server.lists
        it.resync.touch(CORP, children_only=True)
        it.resync.touch(LAB)
        again = it.resync.reader_of(CORP)
        await again.list(GATEWAY_POLICIES)
        assert it.server.lists == lists
        await again.list(DEPLOYMENTS)
        assert it.server.lists == lists + 1, "children are read live"
        await it.resync.reader_of(LAB).list(GATEWAY_POLICIES)
        assert it.server.lists == lists + 2, "an edit is read live"
        await asyncio.sleep(30)
        await it.resync.reader_of(CORP).list(GATEWAY_POLICIES)
        assert it.server.lists > lists + 2, "the round's lists are let go"

    play(scenario)


def test_what_changed_before_a_round_is_not_read_from_the_lists_of_the_round_before() -> None:
    async def scenario(it: Setting) -> None:
        await it.finished.wait()
        it.resync.touch(CORP)
        it.server.put(an("GatewayPolicy", "everyone", gateways=("corp",), generation=2))
        lists = it.server.lists
        while it.server.lists == lists:  # the next round has begun, and has not made its lists
            await asyncio.sleep(0.01)
        found = await it.resync.reader_of(CORP).list(GATEWAY_POLICIES)
        assert [each["metadata"]["generation"] for each in found] == [2]

    play(scenario, interval=3.0)
