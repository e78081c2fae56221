"""Events: what a person should notice, told once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.status.outcomes import BINDING, CORP, POLICY, fleet, outcome, seen

from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.reconcile import troubles
from gateway_operator.reconcile.events import (
    EVENTS_A_WINDOW,
    LONGEST_NOTE,
    EventRecorder,
    Told,
    event,
    transitions,
)
from gateway_operator.reconcile.status import gateway_conditions
from gateway_operator.reconcile.troubles import Troubles


def status(**conditions: str) -> dict[str, Any]:
    """`Accepted="False/PolicyInvalid"`."""
    listed = [{"type": kind, "message": f"why {kind}"} | _split(word) for kind, word in conditions.items()]
    return {"conditions": listed}


def _split(word: str) -> dict[str, str]:
    value, _, reason = word.partition("/")
    return {"status": value, "reason": reason}


@pytest.mark.parametrize(
    ("ref", "before", "after", "told"),
    [
        pytest.param(POLICY, status(), status(Accepted="True/Accepted"), [], id="first sight, sound"),
        pytest.param(
            POLICY, status(), status(Accepted="False/PolicyInvalid"), ["PolicyInvalid"], id="first sight, broken"
        ),
        pytest.param(
            BINDING,
            status(ResolvedRefs="True/ResolvedRefs"),
            status(ResolvedRefs="False/SecretNotFound"),
            ["SecretNotFound"],
            id="turned",
        ),
        pytest.param(
            BINDING,
            status(ResolvedRefs="False/SecretNotFound"),
            status(ResolvedRefs="False/SecretKeyNotFound"),
            ["SecretKeyNotFound"],
            id="another reason",
        ),
        pytest.param(
            BINDING,
            status(ResolvedRefs="False/SecretNotFound"),
            status(ResolvedRefs="False/SecretNotFound"),
            [],
            id="as before",
        ),
        pytest.param(
            BINDING,
            status(ResolvedRefs="False/SecretNotFound"),
            status(ResolvedRefs="True/ResolvedRefs"),
            ["ResolvedRefs"],
            id="turned back",
        ),
        pytest.param(
            POLICY,
            status(Programmed="True/Programmed"),
            status(Programmed="False/PodsBehind"),
            [],
            id="what every edit goes through",
        ),
        pytest.param(
            CORP,
            status(),
            status(MetricUnavailable="True/MetricUnavailable"),
            ["MetricUnavailable"],
            id="metric unavailable",
        ),
        pytest.param(
            CORP,
            status(Accepted="True/Accepted"),
            status(Accepted="True/AcceptedWithWarnings"),
            ["AcceptedWithWarnings"],
            id="a gateway with warnings",
        ),
        pytest.param(POLICY, status(), status(Accepted="True/AcceptedWithWarnings"), [], id="a policy with warnings"),
        pytest.param(
            CORP, status(MetricUnavailable="True/MetricUnavailable"), status(), ["MetricAvailable"], id="metric is back"
        ),
    ],
)
def test_transitions(ref: ObjectRef, before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    assert [each.reason for each in transitions(ref, before, after)] == told


class Api:
    def __init__(self) -> None:
        self.written: list[Mapping[str, Any]] = []
        self.refuses = False

    async def create(self, manifest: Mapping[str, Any]) -> None:
        if self.refuses:
            self.refuses = False
            raise UnavailableError("away")
        self.written.append(manifest)


async def _write(recorder: EventRecorder) -> None:
    running = asyncio.ensure_future(recorder.run())
    while not recorder._waiting.empty():
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_same_event_is_told_once() -> None:
    api = Api()
    recorder = EventRecorder(client=api, instance="operator-0")
    for _ in range(5):
        recorder.tell(CORP, uid="1", told=Told("Ready", "it is"))
    recorder.tell(CORP, uid="2", told=Told("Ready", "it is"))
    await _write(recorder)
    assert [each["regarding"]["uid"] for each in api.written] == ["1", "2"]


async def test_one_object_does_not_flood() -> None:
    api = Api()
    recorder = EventRecorder(client=api, instance="operator-0")
    for number in range(100):
        recorder.tell(CORP, uid="1", told=Told("Ready", f"number {number}"))
    recorder.tell(POLICY, uid="2", told=Told("Accepted", "again"))
    await _write(recorder)
    assert len(api.written) == EVENTS_A_WINDOW + 1


async def test_an_event_that_is_lost_stops_nothing() -> None:
    api = Api()
    api.refuses = True
    recorder = EventRecorder(client=api, instance="operator-0")
    recorder.tell(CORP, uid="1", told=Told("Ready", "lost"))
    recorder.tell(CORP, uid="1", told=Told("Ready", "written"))
    await _write(recorder)
    assert [each["note"] for each in api.written] == ["written"]


def test_an_event_fits_the_api() -> None:
    told = Told("Ready", "x\n" * 5000, warning=True)
    made = event(
        ObjectRef("GatewayPolicy", "claude", "n" * 253), uid="1", told=told, when=datetime.now(UTC), instance="i"
    )
    assert len(made["note"]) == LONGEST_NOTE
    assert made["note"].isprintable()
    assert len(made["metadata"]["name"]) <= 253
    assert made["type"] == "Warning"
    assert made["metadata"]["namespace"] == "claude"


class Ears:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def tell(self, about: ObjectRef, *, uid: str, told: Told) -> None:
        self.heard.append(told.reason)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(troubles.time, "monotonic", lambda: now[0])
    return now


WELL = gateway_conditions(outcome(), fleet(1)).ready
BEHIND = gateway_conditions(outcome(seen(CORP, sequence=2)), fleet(1)).ready
SINCE_LONG = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(word: str, since: str = SINCE_LONG) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "lastTransitionTime": since} | _split(word)]}


def test_a_moment_behind_is_not_told(clock: list[float]) -> None:
    ears = Ears()
    told = Troubles(events=ears)
    told.see(outcome(), BEHIND, ready("True/Ready"))
    clock[0] += 2
    told.see(outcome(), WELL, ready("False/PodsBehind", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    assert ears.heard == []


def test_a_trouble_that_lasts_is_told_once_and_so_is_its_end(clock: list[float]) -> None:
    ears = Ears()
    told = Troubles(events=ears)
    told.see(outcome(), BEHIND, ready("True/Ready"))
    assert told.look_again(CORP) == 10
    for _ in range(3):
        clock[0] += 11
        told.see(outcome(), BEHIND)
    assert told.look_again(CORP) is None
    told.see(outcome(), WELL, ready("False/PodsBehind"))
    assert ears.heard == ["PodsBehind", "Ready"]


def test_a_restarted_operator_does_not_repeat_a_trouble_that_goes_on(clock: list[float]) -> None:
    ears = Ears()
    told = Troubles(events=ears)
    told.see(outcome(), BEHIND, ready("False/PodsBehind"))
    clock[0] += 60
    told.see(outcome(), BEHIND)
    assert ears.heard == []
    told.see(outcome(), WELL, ready("False/PodsBehind"))
    assert ears.heard == ["Ready"]


def test_a_gateway_that_is_ready_for_the_first_time_is_told(clock: list[float]) -> None:
    ears = Ears()
    told = Troubles(events=ears)
    told.see(outcome(), BEHIND, ready("Unknown/Pending"))
    clock[0] += 1
    told.see(outcome(), WELL, ready("False/PodsBehind", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    assert ears.heard == ["Ready"]
