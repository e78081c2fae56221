"""The Lease: one holder at a time, no gap between two that could be none, and an end where it may be lost."""

import asyncio
from typing import Any, cast

import pytest
from tests.process import virtual_time
from tests.process.lease_server import LeaseServer

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Connection, FixedAccess
from gateway_operator.leader import DEADLINE_SECONDS, LEASE_SECONDS, Elector, FencedAccess, Guard, LostError, Tenure


def now() -> float:
    return asyncio.get_running_loop().time()


def elector(server: LeaseServer, identity: str) -> tuple[Elector, Tenure]:
    tenure = Tenure(clock=now)
    client = cast("KubeClient", server)
    return Elector(client=client, namespace="system", name="lease", identity=identity, tenure=tenure), tenure


async def ended(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait({task})


def test_the_first_one_takes_it_at_once_and_keeps_it() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        assert (now(), server.holder) == (0, "first")
        holding = asyncio.create_task(first.hold())
        await asyncio.sleep(1000)
        assert tenure.held
        await ended(holding)

    virtual_time.run(scenario())


def test_a_second_one_waits_until_a_crashed_holders_time_is_over() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, _ = elector(server, "first")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        second, tenure = elector(server, "second")
        taking = asyncio.create_task(second.acquire())
        await asyncio.sleep(100)
        assert not taking.done()
        assert not tenure.held
        await ended(holding)
        crashed = now()
        await taking
        assert LEASE_SECONDS - 2 <= now() - crashed <= 20
        assert server.holder == "second"

    virtual_time.run(scenario())


def test_the_same_identity_takes_it_up_again_at_once() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        await elector(server, "pod-0")[0].acquire()
        again, tenure = elector(server, "pod-0")
        await again.acquire()
        assert now() == 0
        assert tenure.held

    virtual_time.run(scenario())


def test_one_that_is_given_back_is_taken_at_the_next_look() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        taking = asyncio.create_task(elector(server, "second")[0].acquire())
        await asyncio.sleep(5)
        await first.release()
        assert not tenure.held
        released = now()
        await taking
        assert now() - released <= 2
        assert server.holder == "second"

    virtual_time.run(scenario())


def test_a_lease_that_cannot_be_read_is_told_until_it_can() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, _ = elector(server, "first")
        server.away = True
        told: list[str] = []
        taking = asyncio.create_task(first.acquire(on_trouble=told.append))
        await asyncio.sleep(5)
        assert set(told) == {"away"}, "it would never take over"
        server.away = False
        await taking
        assert told[-1] == ""

    virtual_time.run(scenario())


def test_it_is_lost_when_another_holder_writes_it() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, _ = elector(server, "first")
        await first.acquire()
        server.edit(holderIdentity="intruder")
        with pytest.raises(LostError, match="intruder"):
            await first.hold()
        assert server.holder == "intruder"

    virtual_time.run(scenario())


def test_it_is_lost_when_another_process_of_the_same_name_renews_it() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, _ = elector(server, "pod-0")
        await first.acquire()
        server.edit(renewTime="2026-01-01T00:00:00.000001Z")
        with pytest.raises(LostError, match="another process"):
            await first.hold()

    virtual_time.run(scenario())


def test_it_is_lost_when_somebody_deletes_it() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, _ = elector(server, "first")
        await first.acquire()
        server.stored = None
        with pytest.raises(LostError, match="deleted"):
            await first.hold()

    virtual_time.run(scenario())


def test_a_label_that_somebody_sets_on_it_is_no_loss() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        await asyncio.sleep(5)
        server.label(team="platform")
        await asyncio.sleep(60)
        assert not holding.done()
        assert tenure.held
        assert server.stored is not None
        assert server.stored["metadata"]["labels"] == {"team": "platform"}
        await ended(holding)

    virtual_time.run(scenario())


def test_a_renewal_whose_answer_was_lost_is_known_as_our_own() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        await asyncio.sleep(1)
        server.deaf = True
        await asyncio.sleep(2)
        server.deaf = False
        await asyncio.sleep(60)
        assert not holding.done()
        assert tenure.held
        await ended(holding)

    virtual_time.run(scenario())


def test_an_api_server_that_is_away_for_less_than_the_deadline_is_no_loss() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        await asyncio.sleep(1)
        server.away = True
        await asyncio.sleep(DEADLINE_SECONDS - 3)
        server.away = False
        await asyncio.sleep(60)
        assert not holding.done()
        assert tenure.held
        await ended(holding)

    virtual_time.run(scenario())


def test_an_api_server_that_answers_for_a_moment_now_and_then_is_no_loss() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        holding = asyncio.create_task(first.hold())
        for _ in range(50):
            server.away = True
            await asyncio.sleep(7.4)
            server.away = False
            await asyncio.sleep(0.7)
            assert tenure.held
        await ended(holding)

    virtual_time.run(scenario())


def test_without_a_renewal_the_holder_gives_up_before_another_may_begin() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        first, tenure = elector(server, "first")
        await first.acquire()
        server.away = True
        with pytest.raises(LostError):
            await first.hold()
        assert now() <= DEADLINE_SECONDS + 2 < LEASE_SECONDS
        assert not tenure.held

    virtual_time.run(scenario())


async def test_no_request_leaves_without_the_lease() -> None:
    clock = 0.0
    tenure = Tenure(clock=lambda: clock)
    fenced = FencedAccess(FixedAccess(fixed=Connection(server="https://api")), tenure)
    with pytest.raises(LostError):
        await fenced.connection()
    tenure.extend(clock)
    assert (await fenced.connection()).server == "https://api"
    clock = DEADLINE_SECONDS
    with pytest.raises(LostError):
        await fenced.connection()


def test_the_guard_ends_the_process_also_while_the_event_loop_is_stuck() -> None:
    tenure = Tenure(deadline=0.0)
    reasons: list[str] = []
    guard = Guard(tenure, end=reasons.append)
    guard.start()
    tenure.extend(tenure.now())
    guard.join(timeout=30)  # this thread is the one that is stuck
    assert len(reasons) == 1


def test_a_lease_that_was_given_back_alarms_nobody() -> None:
    tenure = Tenure(deadline=0.0)
    tenure.extend(tenure.now())
    assert tenure.overrun
    tenure.end()
    assert not tenure.overrun
