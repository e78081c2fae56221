"""An operator that is killed again and again in the middle of changes ends where one that was never disturbed ends."""

from __future__ import annotations

import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer
from tests.control_plane.examples import Manifest
from tests.control_plane.operator_process import new_namespace, running_operator
from tests.control_plane.pods import Kubelet, kubelet
from tests.faults.scenery import MODELS, WITHIN, Gateway, managed

from gateway_operator.kube.resources import SECRETS
from gateway_operator.kube.watching import EventType, Watch
from gateway_operator.reconcile.revision import live_revision

KILLS = 50
IDENTITY = "pod-of-the-operator"
GATEWAYS = 4
LATEST_SECONDS = 0.8
"""After the edits: the writes of all gateways are over by then."""
STARTING_SECONDS = 2.0
START_SECONDS = 60.0


@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_double_nothing(api: ApiClient, api_server: ApiServer, tmp_path: Path) -> None:
    chance = random.Random(20261124)
    namespace, calm = new_namespace(api), new_namespace(api)
    gateways = [Gateway(api, namespace, f"gw-{number}").create() for number in range(GATEWAYS)]
    with (
        kubelet(api_server, folder=tmp_path) as node,
        sequences_of(node, namespace) as sequences,
        running_operator(api_server, folder=tmp_path, namespaces=[namespace], identity=IDENTITY) as operator,
    ):
        home = operator.lease_namespace
        operator.wait_until_synced(within=START_SECONDS)
        pods = [node.run(namespace, gateway.name)[0] for gateway in gateways]
        for gateway in gateways:
            gateway.wait_for(gateway.gateway, "Programmed", ("True", "Programmed"), within=WITHIN)
        uids = managed(api, namespace)
        made_up = [api.read(gateway.signing)["data"] for gateway in gateways]

        for kill in range(KILLS):
            latest = LATEST_SECONDS
            match kill % 4:
                case 0:
                    latest += STARTING_SECONDS  # in the middle of its start, as often as not
                case 1:
                    operator.wait_until_synced(within=START_SECONDS)
                case _:
                    eventually(lambda: operator.leads, within=START_SECONDS, what="it leads again")
            change_something(gateways, chance, kill)
            time.sleep(chance.uniform(0, latest))  # the random moment that this test is about
            operator.kill()
            operator.start()

        operator.wait_until_synced(within=START_SECONDS)
        for gateway in gateways:
            for each in (gateway.gateway, gateway.binding, gateway.policy):
                wait_until_current(api, each)
        assert managed(api, namespace) == uids, "no child was made twice, lost or made anew"
        assert [api.read(gateway.signing)["data"] for gateway in gateways] == made_up, "what was made up is kept"
        assert [pod.sequence for pod in pods] == [gateway.sequence() for gateway in gateways]
        for name, seen in sequences.items():
            assert seen == sorted(seen), f"{name}: the sequence only grows"

    undisturbed = [copied(gateway, calm) for gateway in gateways]
    with (
        kubelet(api_server, folder=tmp_path) as node,
        running_operator(
            api_server, folder=tmp_path, namespaces=[calm], lease_namespace=home, identity=IDENTITY
        ) as operator,
    ):
        operator.wait_until_synced(within=START_SECONDS)
        for gateway in undisturbed:
            node.run(calm, gateway.name)
        for gateway in undisturbed:
            for each in (gateway.gateway, gateway.binding, gateway.policy):
                wait_until_current(api, each)
        for shaken, steady in zip(gateways, undisturbed, strict=True):
            assert outcome(shaken) == outcome(steady)


def change_something(gateways: list[Gateway], chance: random.Random, number: int) -> None:
    """On every gateway something else, so that a kill meets many writes at once."""
    for gateway in gateways:
        match chance.randrange(4):
            case 0:
                gateway.edit(gateway.policy, availableModels=sorted(chance.sample(MODELS, chance.randint(1, 3))))
            case 1:
                gateway.edit(gateway.gateway, replicas=chance.randint(1, 5))
            case 2:
                gateway.rotate(number + 1)
            case 3:
                gateway.edit(gateway.binding, priority=chance.randint(1, 1000))
                gateway.edit(gateway.policy, availableModels=list(MODELS[: chance.randint(1, 3)]))


@contextmanager
def sequences_of(node: Kubelet, namespace: str) -> Iterator[dict[str, list[int]]]:
    """By Secret, every sequence number that a watch ever sees in the namespace."""
    seen: dict[str, list[int]] = defaultdict(list)

    def look(event: EventType, secret: dict[str, Any]) -> None:
        revision = live_revision(secret) if event is not EventType.DELETED else None
        if revision is not None:
            seen[secret["metadata"]["name"]].append(revision.sequence)

    async def begin() -> None:
        node.spawn(Watch(node.client, SECRETS, namespace=namespace, on_event=look).run())

    node.call(begin())
    yield seen


def wait_until_current(api: ApiClient, manifest: Manifest) -> None:
    """Programmed, in its present generation. Ready it is not, where it wants more pods than the test runs."""
    seen: dict[str, Any] = {}

    def look() -> bool:
        seen.update(api.read(manifest))
        conditions = {each["type"]: each for each in seen["status"]["conditions"]}
        programmed = conditions["Programmed"]
        current = programmed.get("observedGeneration") == seen["metadata"]["generation"]
        return current and programmed["status"] == "True"

    try:
        eventually(look, within=WITHIN, what=f"{manifest['kind']} {manifest['metadata']['name']} is programmed")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; {seen.get('status')}") from None


def copied(gateway: Gateway, namespace: str) -> Gateway:
    """The same objects as they are now, elsewhere; in the order in which they were made."""
    other = Gateway(gateway.api, namespace, gateway.name)
    for manifest in (gateway.provider_key, gateway.gateway, gateway.binding, gateway.policy):
        live = gateway.api.read(manifest)
        kept = {key: live[key] for key in ("apiVersion", "kind", "spec", "data") if key in live}
        metadata = {"name": manifest["metadata"]["name"], "namespace": namespace}
        gateway.api.create({**kept, "metadata": metadata}).accepted()
    return other


def outcome(gateway: Gateway) -> dict[str, Any]:
    """Everything that an operator made of a gateway, without what is another's in each namespace."""
    loaded = gateway.bundle()
    document = loaded.configuration.model_dump(mode="json", exclude={"signing_keys"})
    credentials = {name: value for name, value in loaded.credentials.items() if not name.startswith("signing.keys/")}
    found: dict[str, Any] = {"configuration": document, "credentials": credentials}
    for name, child in gateway.children.items():
        live = gateway.api.read(child)
        found[name] = {
            "keys": sorted(re.sub("^key-[0-9a-f]{16}$", "key-KID", key) for key in live.get("data") or ()),
            "spec": _without_addresses(live.get("spec") or {}),
            "labels": live["metadata"]["labels"],
        }
    for manifest in (gateway.gateway, gateway.binding, gateway.policy):
        conditions = gateway.api.read(manifest)["status"]["conditions"]
        found[f"conditions of {manifest['kind']}"] = [
            (each["type"], each["status"], each["reason"], each["message"]) for each in conditions
        ]
    text = json.dumps(found, sort_keys=True).replace(gateway.namespace, "NAMESPACE")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _without_addresses(spec: Manifest) -> Manifest:
    return {key: value for key, value in spec.items() if key not in ("clusterIP", "clusterIPs")}
