"""The way to one collector: what waits, what is tried again, what is given up."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from gateway_proxy.telemetry.relay import lane as lanes
from gateway_proxy.telemetry.relay.batch import PROTOBUF, Batch, LaterError, RefusedError, UndecodableError
from gateway_proxy.telemetry.relay.counts import Counts, RelayCollector
from gateway_proxy.telemetry.relay.lane import MAX_BATCHES, MAX_BYTES, SENDINGS, Lane


class Collector:
    """A sender that does what it is told with each batch."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.attempts: list[tuple[bytes, float]] = []
        self.errors: list[Exception] = []
        """For the next attempts."""
        self.open = asyncio.Event()
        self.open.set()
        self.most_at_once = self._at_once = 0
        self.closed = False

    async def send(self, batch: Batch) -> None:
        self.attempts.append((batch.body, asyncio.get_running_loop().time()))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self.open.wait()
        finally:
            self._at_once -= 1
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(batch.body)

    async def close(self) -> None:
        self.closed = True


class World:
    def __init__(self) -> None:
        self.collector = Collector()
        self.counts = Counts()
        self.lane = Lane("grafana", self.collector, self.counts)

    def offer(self, body: bytes = b"x", *, age: float = 0.0) -> None:
        now = asyncio.get_running_loop().time()
        self.lane.offer(Batch("Metrics", body, PROTOBUF, None, now - age))

    def count(self, what: str, *labels: str) -> float:
        exposition = RelayCollector()
        exposition.destinations = {"grafana": self.counts}
        return sum(
            sample.value
            for family in exposition.collect()
            for sample in family.samples
            if sample.name == f"claude_gateway_telemetry_{what}" and set(labels) <= set(sample.labels.values())
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def world() -> World:
    return World()


async def test_what_is_offered_arrives_in_order(world: World) -> None:
    for number in range(5):
        world.offer(b"%d" % number)
    await world.until(lambda: len(world.collector.taken) == 5)
    assert world.collector.taken == [b"0", b"1", b"2", b"3", b"4"]
    assert world.count("relayed_total", "Metrics") == 5
    assert world.count("queue_length") == 0


async def test_a_few_are_sent_at_once(world: World) -> None:
    world.collector.open.clear()
    for _ in range(30):
        world.offer()
    await world.until(lambda: world.collector.most_at_once == SENDINGS)
    assert world.count("queue_length") == 30 - SENDINGS
    world.collector.open.set()
    await world.until(lambda: len(world.collector.taken) == 30)
    assert world.collector.most_at_once == SENDINGS


async def test_without_room_the_newest_is_lost(world: World) -> None:
    world.collector.open.clear()
    for _ in range(MAX_BATCHES + SENDINGS + 10):
        world.offer()
        await asyncio.sleep(0)
    assert world.count("dropped_total", "QueueFull") == 10
    world.collector.open.set()
    await world.until(lambda: len(world.collector.taken) == MAX_BATCHES + SENDINGS)


async def test_bytes_are_bounded_too(world: World) -> None:
    world.collector.open.clear()
    for _ in range(5):
        world.offer(bytes(MAX_BYTES // 4))
    assert world.count("dropped_total", "QueueFull") == 1
    world.collector.open.set()
    await world.until(lambda: len(world.collector.taken) == 4)
    world.offer(bytes(MAX_BYTES))
    await world.until(lambda: len(world.collector.taken) == 5)


async def test_what_the_collector_cannot_take_now_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_PAUSE_SECONDS", 0.02)
    world.collector.errors = [LaterError("503"), LaterError("503"), LaterError("503")]
    world.offer(b"first")
    await world.until(lambda: world.collector.taken == [b"first"])
    times = [moment for _, moment in world.collector.attempts]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] >= 0.015
    assert pauses[2] >= 0.06, "each pause is about twice the one before"
    assert (world.count("retries_total"), world.count("failing")) == (3, 0)
    assert world.count("dropped_total") == 0


async def test_the_collector_says_how_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_PAUSE_SECONDS", 0.001)
    world.collector.errors = [LaterError("429", after=0.3)]
    world.offer(b"first")
    await world.until(lambda: world.count("failing") == 1)
    world.offer(b"second")
    await world.until(lambda: len(world.collector.taken) == 2)
    (_, began), (_, again), *_ = world.collector.attempts
    assert again - began >= 0.29
    assert world.collector.taken == [b"first", b"second"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RefusedError("400"), "Refused"), (UndecodableError("x"), "Undecodable"), (KeyError("a fault of ours"), "Failed")],
)
async def test_what_is_refused_for_good_holds_nothing_up(world: World, error: Exception, reason: str) -> None:
    world.collector.errors = [error]
    world.offer(b"bad")
    world.offer(b"good")
    await world.until(lambda: world.collector.taken == [b"good"])
    assert world.count("dropped_total", reason) == 1
    assert world.count("failing") == 0


async def test_old_reports_are_given_up(world: World) -> None:
    world.offer(b"old", age=lanes.MAX_AGE_SECONDS + 1)
    world.offer(b"new")
    await world.until(lambda: world.collector.taken == [b"new"])
    assert world.count("dropped_total", "Expired") == 1


async def test_at_the_end_what_waits_is_sent_once_more(world: World) -> None:
    world.collector.errors = [LaterError("503", after=200)]
    for number in range(20):
        world.offer(b"%d" % number)
    await world.until(lambda: world.count("failing") == 1)
    await world.lane.close(seconds=5)
    assert sorted(world.collector.taken) == sorted(b"%d" % number for number in range(20))
    assert world.collector.closed
    world.offer(b"too late")
    assert world.count("dropped_total", "QueueFull") == 1


async def test_the_end_waits_for_no_collector_that_hangs(world: World) -> None:
    world.collector.open.clear()
    for _ in range(20):
        world.offer()
    await world.until(lambda: world.collector.most_at_once == SENDINGS)
    await world.lane.close(seconds=0.05)
    assert world.count("dropped_total", "Ended") == 20
    assert world.collector.closed
