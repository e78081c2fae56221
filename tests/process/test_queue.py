"""The keyed queue: each key by one worker, again after a failure, behind nothing that is more urgent."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

import pytest
from tests.process import virtual_time

from gateway_operator.kube.errors import UnavailableError
from gateway_operator.queue import LAST_RETRY, KeyedQueue

Work = Callable[[str], Awaitable[float | None]]


def play(scenario: Callable[[KeyedQueue[str]], Awaitable[None]], work: Work, *, workers: int = 3) -> None:
    """Runs the scenario beside the queue, in virtual time; the queue ends with it."""

    async def together() -> None:
        queue = KeyedQueue[str](name="test", work=work, workers=workers)
        running = asyncio.create_task(queue.run())
        await scenario(queue)
        running.cancel()
        await asyncio.wait({running})

    virtual_time.run(together())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_key_asked_for_many_times_is_worked_on_once() -> None:
    worked: list[str] = []

    async def work(key: str) -> None:
        worked.append(key)

    async def scenario(queue: KeyedQueue[str]) -> None:
        for _ in range(5):
            queue.add("a")
            queue.add("b")
        await asyncio.sleep(1)

    play(scenario, work)
    assert sorted(worked) == ["a", "b"]


def test_one_key_never_runs_twice_at_once_and_comes_again_when_asked_for_meanwhile() -> None:
    running: set[str] = set()
    begun: list[float] = []

    async def work(key: str) -> None:
        assert key not in running
        running.add(key)
        begun.append(now())
        await asyncio.sleep(10)
        running.discard(key)

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(5)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(30)

    play(scenario, work)
    assert begun == [0, 10]


def test_a_failure_is_tried_again_after_growing_pauses_that_a_success_resets() -> None:
    begun: list[float] = []
    fail = True

    async def work(_: str) -> None:
        begun.append(now())
        if fail:
            raise UnavailableError("away")

    async def scenario(queue: KeyedQueue[str]) -> None:
        nonlocal fail
        queue.add("a")
        await asyncio.sleep(600)
        fail = False
        await asyncio.sleep(100)
        pauses = [after - before for before, after in itertools.pairwise(begun)]
        assert 0.15 <= pauses[0] <= 0.25
        assert all(pause <= LAST_RETRY * 1.25 for pause in pauses)
        assert max(pauses) >= LAST_RETRY * 0.75
        done = len(begun)
        fail = True
        queue.add("a")
        await asyncio.sleep(0.26)
        assert len(begun) >= done + 2, "after a success the pauses begin small again"

    play(scenario, work)


def test_a_failure_names_the_key_and_the_cause_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work(_: str) -> None:
        raise UnavailableError("GET /api: 503: away")

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("claude/corp")
        await asyncio.sleep(0.1)

    with caplog.at_level(logging.WARNING):
        play(scenario, work)
    assert "claude/corp" in caplog.text
    assert "503: away" in caplog.text


def test_one_failing_key_does_not_hold_up_another() -> None:
    worked: list[str] = []

    async def work(key: str) -> None:
        if key == "bad":
            raise ValueError("broken")
        worked.append(key)

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(1)

    play(scenario, work, workers=1)
    assert worked == ["good"]


def test_a_key_whose_failing_work_asks_for_it_again_does_not_spin() -> None:
    attempts = 0

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(60)

    queues: list[KeyedQueue[str]] = []

    async def work(key: str) -> None:
        nonlocal attempts
        attempts += 1
        queues[0].add(key)
        raise UnavailableError("conflict")

    async def keeping(queue: KeyedQueue[str]) -> None:
        queues.append(queue)
        await scenario(queue)

    play(keeping, work)
    assert attempts <= 70


def test_work_may_ask_to_see_its_key_again() -> None:
    begun: list[float] = []

    async def work(_: str) -> float | None:
        begun.append(now())
        return 30 if len(begun) < 3 else None

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(200)

    play(scenario, work)
    assert begun == [0, 30, 60]


def test_of_several_times_the_earliest_counts_and_an_event_overtakes_them_all() -> None:
    begun: list[float] = []

    async def work(_: str) -> None:
        begun.append(now())

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("a", after=50)
        queue.add("a", after=20)
        await asyncio.sleep(30)
        assert begun == [20]
        queue.add("a", after=50)
        queue.add("a")
        await asyncio.sleep(100)

    play(scenario, work)
    assert begun == [20, 30]


def test_a_month_of_looks_that_each_ask_for_another_in_a_month_leaves_no_heap_of_timers() -> None:
    async def work(_: str) -> float | None:
        return 30 * 24 * 3600

    async def scenario(queue: KeyedQueue[str]) -> None:
        for _ in range(3000):
            queue.add("a", background=True)
            await asyncio.sleep(600)
        assert len(queue._timers) < 2000

    play(scenario, work)


def test_a_change_does_not_wait_for_a_resync() -> None:
    """A thousand keys of the background, each a second of work; an event comes in the middle."""
    done: dict[str, float] = {}

    async def work(key: str) -> None:
        await asyncio.sleep(1)
        done[key] = now()

    async def scenario(queue: KeyedQueue[str]) -> None:
        for number in range(1000):
            queue.add(f"resync-{number}", background=True)
        await asyncio.sleep(20.5)
        queue.add("resync-999")
        queue.add("event")
        await asyncio.sleep(1000)

    play(scenario, work, workers=4)
    assert done["resync-999"] == pytest.approx(21.5)
    assert done["event"] <= 22.5
    assert len(done) == 1001


def test_a_resync_comes_on_while_changes_never_end() -> None:
    worked: list[str] = []

    async def work(key: str) -> None:
        worked.append(key)
        await asyncio.sleep(1)

    async def scenario(queue: KeyedQueue[str]) -> None:
        queue.add("resync", background=True)
        for number in range(100):
            queue.add(f"event-{number}")
        await asyncio.sleep(30)

    play(scenario, work, workers=2)
    assert "resync" in worked


def test_closing_lets_the_work_in_hand_finish_and_takes_up_nothing_new() -> None:
    finished: list[str] = []

    async def work(key: str) -> None:
        await asyncio.sleep(5)
        finished.append(key)

    async def together() -> None:
        queue = KeyedQueue[str](name="test", work=work, workers=1)
        queue.add("a")
        queue.add("b")
        running = asyncio.create_task(queue.run())
        await asyncio.sleep(1)
        queue.close()
        await running

    virtual_time.run(together())
    assert finished == ["a"]
