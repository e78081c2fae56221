"""Live lists for many at once: nobody gets an answer that is older than the question."""

import asyncio
from typing import Any, TypeAlias, cast

import pytest
from tests.process import virtual_time

from gateway_operator.joint_lists import JointReader
from gateway_operator.kube.client import Reader
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import GATEWAY_POLICIES, ResourceKind

Objects: TypeAlias = list[dict[str, Any]]


class Server:
    """A list takes a second, and shows what was there at its begin."""

    def __init__(self) -> None:
        self.state = 0
        self.lists = 0
        self.away = False
        self.error: Exception = UnavailableError("away")

    async def list(self, kind: ResourceKind, namespace: str | None = None, **_: Any) -> Objects:
        self.lists += 1
        shown = self.state
        await asyncio.sleep(1)
        if self.away:
            raise self.error
        return [{"state": shown}]


def test_many_who_ask_while_a_list_is_under_way_share_the_next_one() -> None:
    async def scenario() -> None:
        server = Server()
        reader = JointReader(cast("Reader", server))
        first = asyncio.create_task(reader.list(GATEWAY_POLICIES, "claude"))
        await asyncio.sleep(0.5)
        server.state = 1
        later = [asyncio.create_task(reader.list(GATEWAY_POLICIES, "claude")) for _ in range(100)]
        assert await first == [{"state": 0}]
        assert all(found == [{"state": 1}] for found in await asyncio.gather(*later))
        assert server.lists == 2

    virtual_time.run(scenario())


@pytest.mark.parametrize("error", [UnavailableError("away"), KeyError("not foreseen")], ids=repr)
def test_a_failure_is_told_to_all_and_the_next_who_asks_gets_a_new_list(error: Exception) -> None:
    async def scenario() -> None:
        server = Server()
        server.error = error
        reader = JointReader(cast("Reader", server))
        server.away = True
        both = [asyncio.create_task(reader.list(GATEWAY_POLICIES, "claude")) for _ in range(2)]
        await asyncio.wait(both)
        assert [each.exception() for each in both] == [error, error]
        server.away = False
        assert await reader.list(GATEWAY_POLICIES, "claude") == [{"state": 0}]

    virtual_time.run(scenario())


def test_one_who_gives_up_does_not_end_it_for_the_others() -> None:
    async def scenario() -> None:
        reader = JointReader(cast("Reader", Server()))
        one, other = (asyncio.create_task(reader.list(GATEWAY_POLICIES, "claude")) for _ in range(2))
        await asyncio.sleep(0.5)
        one.cancel()
        assert await other == [{"state": 0}]
        with pytest.raises(asyncio.CancelledError):
            await one

    virtual_time.run(scenario())
