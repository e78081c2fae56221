"""The publisher against a made-up API server: what it remembers, retries and leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.status.outcomes import CORP, LAB, POLICY, of, outcome, pod, revision, says, seen, unused, words

from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.errors import ConflictError, NotFoundError, UnavailableError
from gateway_operator.reconcile import publish
from gateway_operator.reconcile.events import Told
from gateway_operator.reconcile.outcome import Outcome
from gateway_operator.reconcile.publish import A_TURN, Publisher


class Server:
    """Holds objects of the three kinds. Pods of every gateway: one, which has loaded sequence `loaded`."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.writes: list[str] = []
        self.loaded = 1
        self.away = False
        self.asked_settled = True
        self.named: dict[ObjectRef, tuple[ObjectRef, ...]] = {}
        self.told: list[str] = []
        self.wanted: list[ObjectRef] = []
        self.begin()

    def begin(self) -> None:
        self.publisher = Publisher(
            client=self,
            pods=self,
            observer=self,
            events=self,
            on_change=self.wanted.append,
            gateways_of=lambda ref: self.named.get(ref, ()),
        )

    def of(self, gateway: ObjectRef) -> Any:
        return (pod("pod-0", gateway=gateway),)

    def observations(self, gateway: ObjectRef) -> Any:
        return {"uid-pod-0": says(self.loaded)}

    def settled(self, gateway: ObjectRef) -> bool:
        return self.asked_settled

    def tell(self, about: ObjectRef, *, uid: str, told: Told) -> None:
        self.told.append(told.reason)

    def put(self, ref: ObjectRef, *, uid: str = "", generation: int = 1) -> None:
        metadata = {"uid": uid or f"uid-{ref.name}", "generation": generation}
        self.objects[ref] = {"metadata": metadata | {"resourceVersion": "1"}, "status": {}}

    def bump(self, ref: ObjectRef) -> None:
        metadata = self.objects[ref]["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    async def get(self, kind: Any, namespace: str | None, name: str) -> Any:
        return self.objects.get((kind.kind, namespace or "", name))

    async def apply(self, manifest: Mapping[str, Any], *, subresource: str = "") -> Any:
        metadata = manifest["metadata"]
        if self.away:
            raise UnavailableError("away")
        ref = (manifest["kind"], metadata["namespace"], metadata["name"])
        live = self.objects.get(ref)
        if live is None:
            raise NotFoundError("gone", status=404)
        if metadata["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise ConflictError("changed", status=409)
        self.writes.append(metadata["name"])
        live["status"] = orjson.loads(orjson.dumps(manifest["status"]))
        self.bump(ObjectRef(*ref))
        return orjson.loads(orjson.dumps(live))

    async def merge_patch(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("an apply is enough here")

    def read(self, made: Outcome) -> Outcome:
        """The outcome, with the statuses that its reconcile would have read now."""
        objects = {}
        for ref, each in made.objects.items():
            live = self.objects[ref]
            objects[ref] = replace(
                each,
                status=orjson.dumps(live["status"]),
                resource_version=live["metadata"]["resourceVersion"],
                uid=live["metadata"]["uid"],
            )
        return replace(made, objects=objects)

    def status(self, ref: ObjectRef) -> dict[str, Any]:
        found: dict[str, Any] = self.objects[ref]["status"]
        return found

    async def publish(self, made: Outcome) -> float | None:
        self.publisher.take(self.read(made))
        return await self.publisher.publish(made.gateway)


@pytest.fixture
def server() -> Server:
    made = Server()
    for ref in (CORP, LAB, POLICY):
        made.put(ref)
    return made


async def test_an_outcome_asks_to_be_published(server: Server) -> None:
    server.publisher.take(server.read(outcome()))
    assert server.wanted == [CORP]


async def test_nothing_is_said_before_the_pods_were_asked(server: Server) -> None:
    server.asked_settled = False
    again = await server.publish(outcome(seen(POLICY)))
    assert again is not None
    assert server.writes == []


async def test_the_gateway_is_written_first(server: Server) -> None:
    await server.publish(outcome(seen(POLICY)))
    assert server.writes == ["corp", "everyone"]


async def test_a_reconcile_that_had_read_an_older_status_changes_nothing(server: Server) -> None:
    made = outcome(seen(POLICY))
    early = server.read(made)
    await server.publish(made)
    before = list(server.writes)
    server.publisher.take(early)
    await server.publisher.publish(CORP)
    assert server.writes == before


async def test_a_failure_is_raised_after_everything_was_tried_and_made_good_later(server: Server) -> None:
    server.away = True
    with pytest.raises(UnavailableError):
        await server.publish(outcome(seen(POLICY)))
    server.away = False
    await server.publisher.publish(CORP)
    assert server.writes == ["corp", "everyone"]


async def test_a_label_that_somebody_set_meanwhile_is_no_obstacle(server: Server) -> None:
    server.publisher.take(server.read(outcome(seen(POLICY))))
    server.bump(POLICY)
    await server.publisher.publish(CORP)
    assert words(server.status(POLICY))["Ready"] == ("True", "Ready")


async def test_an_object_that_was_edited_or_made_anew_meanwhile_waits_for_its_own_reconcile(server: Server) -> None:
    for uid, generation in (("uid-everyone", 2), ("another", 1)):
        server.put(POLICY)
        server.publisher.take(server.read(outcome(seen(POLICY))))
        server.put(POLICY, uid=uid, generation=generation)
        server.bump(POLICY)
        await server.publisher.publish(CORP)
        assert server.status(POLICY) == {}


async def test_words_that_change_often_are_written_seldom(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(publish.time, "monotonic", lambda: now[0])
    await server.publish(outcome(seen(POLICY, unused(POLICY, "spec.a"))))
    server.writes.clear()
    again = await server.publish(outcome(seen(POLICY, unused(POLICY, "spec.b"))))
    assert server.writes == []
    assert again == pytest.approx(2.0)
    now[0] += 2.1
    await server.publisher.publish(CORP)
    assert server.writes == ["everyone"]
    assert of(server.status(POLICY), "Accepted")["message"].startswith("spec.b")


async def test_each_gateway_writes_its_own_entry(server: Server) -> None:
    server.named[POLICY] = (CORP, LAB)
    await server.publish(outcome(seen(POLICY)))
    assert words(server.status(POLICY))["Ready"] == ("Unknown", "Pending")
    await server.publish(outcome(seen(POLICY), gateway=LAB))
    assert words(server.status(POLICY))["Ready"] == ("True", "Ready")
    assert [entry["name"] for entry in server.status(POLICY)["gateways"]] == ["corp", "lab"]


async def test_a_gateway_that_is_gone_is_reported_by_the_objects_that_name_it(server: Server) -> None:
    gone = Outcome(gateway=CORP, uid="", objects={POLICY: seen(POLICY, sequence=None)})
    await server.publish(gone)
    assert server.writes == ["everyone"]


async def test_what_a_reconcile_did_is_told_once(server: Server) -> None:
    await server.publish(outcome(notices=(Told("Repaired", "Service corp was edited by hand"),)))
    await server.publisher.publish(CORP)
    assert server.told == ["Repaired", "Ready"]


async def test_many_statuses_are_written_in_turns(server: Server) -> None:
    policies = [ObjectRef("GatewayPolicy", "claude", f"policy-{number}") for number in range(2 * A_TURN)]
    for ref in policies:
        server.put(ref)
    made = outcome(*(seen(ref) for ref in policies))
    turns = 1
    again = await server.publish(made)
    while again is not None:
        turns += 1
        again = await server.publisher.publish(CORP)
    assert turns == 3
    assert len(server.writes) == len(set(server.writes)) == 2 * A_TURN + 1


async def test_pods_that_load_the_next_configuration_write_nothing_on_policies(server: Server) -> None:
    await server.publish(outcome(seen(POLICY)))
    server.writes.clear()
    server.loaded = 2
    await server.publish(outcome(seen(POLICY), sequence=2, revision=revision(2)))
    assert server.writes == ["corp"]
    assert server.status(POLICY)["gateways"][0]["revision"] == revision(1)
