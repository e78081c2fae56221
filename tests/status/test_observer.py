"""Whom the observer asks and nudges, and when. In virtual time, with pods that are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from tests.process.virtual_time import run
from tests.status.outcomes import CORP, revision

from gateway_operator import names
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.errors import ForbiddenError, NotFoundError
from gateway_operator.reconcile.admin_port import Answer
from gateway_operator.reconcile.observer import Observer, next_nudge
from gateway_operator.reconcile.pods import PodTable

TOKEN = "canary-of-the-token"


class World:
    """Pods by name. A nudge makes a pod load the newest configuration, unless it is stuck."""

    def __init__(self) -> None:
        self.loaded: dict[str, int | None] = {}
        self.silent: set[str] = set()
        self.stuck: set[str] = set()
        self.newest = 1
        self.asked: list[tuple[float, str]] = []
        self.nudged: list[tuple[float, str, str]] = []
        self.refusal: Exception | None = None
        self.changes: list[ObjectRef] = []
        self.table = PodTable()
        self.observer = Observer(client=self, pods=self.table, on_change=self.changes.append, admin_port=self)

    async def ask(self, ip: str, *, token: str) -> Answer:
        assert token == TOKEN
        self.asked.append((_now(), ip))
        if ip in self.silent:
            await asyncio.sleep(1)
            return Answer(answered=False, error="no answer within 1 s")
        sequence = self.loaded[ip]
        found = None if sequence is None else revision(sequence)
        return Answer(answered=True, reached=True, sequence=sequence, revision=found)

    async def close(self) -> None:
        pass

    async def merge_patch(
        self, kind: Any, namespace: str | None, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> None:
        assert patch["metadata"]["uid"] == f"uid-{name}"
        self.nudged.append((_now(), name, patch["metadata"]["annotations"][names.SEQUENCE_ANNOTATION]))
        if self.refusal:
            raise self.refusal
        if name not in self.stuck:
            self.loaded[name] = self.newest

    def pod(self, name: str, *, ready: bool = True, restarts: int = 0, loaded: int | None = 1) -> None:
        """A pod is there, or is another way by now. Its address is its name."""
        self.loaded.setdefault(name, loaded)
        status = {
            "podIP": name,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "proxy", "containerID": str(restarts), "restartCount": restarts}],
        }
        labels = names.child_labels("corp")
        metadata = {"uid": f"uid-{name}", "name": name, "namespace": "claude", "labels": labels}
        self.table.apply_event("MODIFIED", {"metadata": metadata, "status": status})

    def want(self, sequence: int) -> None:
        self.newest = sequence
        self.observer.want(CORP, sequence=sequence, token=TOKEN)

    def sequences(self) -> dict[str, int | None]:
        found = self.observer.observations(CORP)
        return {uid.removeprefix("uid-"): seen.sequence if seen.answered else None for uid, seen in found.items()}


def _now() -> float:
    return asyncio.get_running_loop().time()


def in_world(story: Callable[[World], Awaitable[None]]) -> World:
    async def tell() -> World:
        world = World()
        running = asyncio.ensure_future(world.observer.run())
        await story(world)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return world

    return run(tell())


def test_pods_that_are_up_to_date_are_asked_about_once_a_minute_and_never_nudged() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.pod("b")
        world.want(1)
        await asyncio.sleep(600)

    world = in_world(story)
    assert 2 * 8 <= len(world.asked) <= 2 * 14
    assert world.nudged == []


def test_pods_are_not_asked_before_anything_is_wanted_of_them() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        await asyncio.sleep(100)

    assert in_world(story).asked == []


def test_pods_behind_are_nudged_at_once_and_only_they() -> None:
    async def story(world: World) -> None:
        world.pod("a", loaded=1)
        world.pod("b", loaded=2)
        world.want(2)
        await asyncio.sleep(1)
        assert world.sequences() == {"a": 2, "b": 2}

    assert [(name, value) for _, name, value in in_world(story).nudged] == [("a", "2")]


def test_a_new_configuration_needs_no_question_before_the_nudge() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.want(1)
        await asyncio.sleep(30)
        world.want(2)
        await asyncio.sleep(0.3)
        assert world.sequences() == {"a": 2}

    assert [at for at, _, _ in in_world(story).nudged] == [pytest.approx(30)]


def test_a_pod_that_stays_behind_is_nudged_again_each_time_with_another_value() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.stuck.add("a")
        world.want(2)
        await asyncio.sleep(9)

    world = in_world(story)
    assert [value for _, _, value in world.nudged] == ["2", "2.1", "2.2", "2.3"]
    pauses = [later - earlier for (earlier, *_), (later, *_) in zip(world.nudged, world.nudged[1:], strict=False)]
    assert pauses == [pytest.approx(0.8, abs=0.2), pytest.approx(3, abs=0.6), pytest.approx(3, abs=0.6)]


def test_a_pod_that_stays_behind_for_long_costs_little() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.stuck.add("a")
        world.want(2)
        await asyncio.sleep(100)
        world.nudged.clear()
        world.asked.clear()
        await asyncio.sleep(300)

    world = in_world(story)
    assert len(world.nudged) <= 11
    assert len(world.asked) <= 310


def test_a_pod_that_was_silent_is_seen_again_within_two_seconds() -> None:
    async def story(world: World) -> None:
        world.pod("a", loaded=2)
        world.silent.add("a")
        world.want(2)
        await asyncio.sleep(100)
        assert world.sequences() == {"a": None}
        world.silent.clear()
        await asyncio.sleep(2)
        assert world.sequences() == {"a": 2}

    in_world(story)


def test_one_lost_answer_is_no_silence_and_a_lasting_one_is() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.want(1)
        await asyncio.sleep(1)
        world.silent.add("a")
        world.pod("a", ready=False)
        world.pod("a", ready=True)
        await asyncio.sleep(2.5)
        assert world.sequences() == {"a": 1}
        await asyncio.sleep(4)
        assert world.sequences() == {"a": None}

    in_world(story)


def test_a_restart_in_place_forgets_what_the_process_before_had_loaded() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.want(1)
        await asyncio.sleep(1)
        world.silent.add("a")
        world.pod("a", ready=True, restarts=1)
        assert world.sequences() == {}
        assert not world.observer.settled(CORP)
        await asyncio.sleep(2)
        assert world.sequences() == {"a": None}
        assert world.observer.settled(CORP)

    in_world(story)


def test_a_pod_that_has_just_become_ready_is_asked_before_it_counts() -> None:
    async def story(world: World) -> None:
        world.pod("a", ready=False, loaded=None)
        world.want(1)
        await asyncio.sleep(1)
        assert world.sequences() == {"a": None}
        world.loaded["a"] = 1
        world.pod("a", ready=True)
        assert world.sequences() == {}
        assert not world.observer.settled(CORP)
        await asyncio.sleep(0.01)
        assert world.sequences() == {"a": 1}

    assert in_world(story).nudged == []


def test_a_pod_without_anybody_who_answers_is_not_nudged_until_it_is_ready() -> None:
    async def story(world: World) -> None:
        world.pod("a", ready=False)
        world.silent.add("a")
        world.want(2)
        await asyncio.sleep(120)

    assert in_world(story).nudged == []


def test_a_pod_that_starts_with_an_old_mount_is_nudged_before_it_is_ready() -> None:
    async def story(world: World) -> None:
        world.pod("a", ready=False, loaded=None)
        world.want(2)
        await asyncio.sleep(5)
        assert world.sequences() == {"a": 2}

    in_world(story)


@pytest.mark.parametrize("refusal", [NotFoundError("gone", status=404), ForbiddenError("not allowed", status=403)])
def test_a_nudge_that_fails_is_tried_again(refusal: Exception) -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.refusal = refusal
        world.want(2)
        await asyncio.sleep(1)
        world.refusal = None
        await asyncio.sleep(4)
        assert world.sequences() == {"a": 2}

    in_world(story)


def test_a_gateway_that_is_forgotten_has_its_pods_left_alone() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.stuck.add("a")
        world.want(2)
        await asyncio.sleep(1)
        world.observer.forget(CORP)
        await asyncio.sleep(0.2)
        world.asked.clear()
        world.nudged.clear()
        await asyncio.sleep(300)

    world = in_world(story)
    assert world.asked == []
    assert world.nudged == []


def test_changes_are_told_and_repetitions_are_not() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.want(1)
        await asyncio.sleep(1)
        world.changes.clear()
        await asyncio.sleep(600)

    assert in_world(story).changes == []


@pytest.mark.parametrize(
    ("sequence", "written", "value"),
    [
        (7, ("", ""), "7"),
        (7, ("6", "6.4"), "7"),
        (7, ("7", ""), "7.1"),
        (7, ("7.1", "7.2"), "7.3"),
        (7, ("7.x", "70"), "7"),
        (7, ("7." + "9" * 50, ""), "7"),
    ],
)
def test_a_nudge_is_a_value_that_is_not_there_yet(sequence: int, written: tuple[str, str], value: str) -> None:
    assert next_nudge(sequence, *written) == value


def test_no_token_is_shown() -> None:
    async def story(world: World) -> None:
        world.pod("a")
        world.want(1)
        assert TOKEN not in repr(world.observer._wanted)

    in_world(story)
