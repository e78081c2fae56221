"""The reporting half of the operator on a real API server: pods watched and asked, statuses and events written.

What a reconcile would come to is said by the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of, new_name, secret
from tests.proxy.configurations import configuration, files

from gateway_operator.api.v1alpha1.base import GROUP
from gateway_operator.children.secrets import ADMIN_TOKEN_FILE, config_secrets
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.resources import (
    EVENTS,
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    PODS,
    PROVIDER_BINDINGS,
    ResourceKind,
)
from gateway_operator.kube.watching import Watch
from gateway_operator.names import signing_secret
from gateway_operator.queue import KeyedQueue
from gateway_operator.reconcile.events import EventRecorder
from gateway_operator.reconcile.observer import Observer
from gateway_operator.reconcile.outcome import ObjectOutcome, Outcome, Replicas
from gateway_operator.reconcile.pods import SELECTOR, PodTable
from gateway_operator.reconcile.publish import Publisher

KINDS: Mapping[str, ResourceKind] = {
    kind.kind: kind for kind in (GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES)
}


class CountingClient(KubeClient):
    """Knows which statuses were written."""

    statuses: list[ObjectRef]

    async def apply(self, manifest: Mapping[str, Any], *, subresource: str = "", **more: Any) -> Object:
        metadata = manifest["metadata"]
        self.statuses.append(ObjectRef(manifest["kind"], metadata["namespace"], metadata["name"]))
        return await super().apply(manifest, subresource=subresource, **more)


class Reporting:
    """A namespace `namespace` with a gateway `corp` and whatever the test applies."""

    def __init__(self, client: CountingClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.gateway = ObjectRef("GatewayDeployment", namespace, "corp")
        self.named: dict[ObjectRef, tuple[ObjectRef, ...]] = {}
        """What the fan-out would say; by default every object names `corp`."""
        self.held: dict[ObjectRef, tuple[int, int]] = {}
        """By object, the generation that the configuration holds, and since which sequence."""
        self.sequence = 1
        self.token = ""
        self._tasks: list[asyncio.Task[None]] = []
        self.begin()

    def begin(self) -> None:
        """A new operator, which remembers nothing."""
        self.pods = PodTable()
        self.events = EventRecorder(client=self.client, instance="operator-0")
        self.queue = KeyedQueue[ObjectRef](name="publish", work=self._publish, workers=2)
        self.observer = Observer(client=self.client, pods=self.pods, on_change=self.queue.add)
        self.publisher = Publisher(
            client=self.client,
            pods=self.pods,
            observer=self.observer,
            events=self.events,
            on_change=self.queue.add,
            gateways_of=lambda ref: self.named.get(ref, (self.gateway,)),
        )
        self.published = 0
        watch = Watch(
            self.client,
            PODS,
            namespace=self.namespace,
            labels=SELECTOR,
            on_event=self.pods.apply_event,
            on_listed=self.pods.apply_list,
        )
        work = [watch.run(), self.observer.run(), self.events.run()]
        self._tasks = [asyncio.ensure_future(each) for each in work]
        self._synced = watch.synced

    async def started(self) -> None:
        await self._synced.wait()
        self._tasks.append(asyncio.ensure_future(self.queue.run()))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self) -> None:
        """The operator's process ends and another one begins."""
        await self.end()
        self.begin()
        await self.started()

    async def _publish(self, gateway: ObjectRef) -> float | None:
        again = await self.publisher.publish(gateway)
        self.published += 1
        return again

    async def apply(self, kind: ResourceKind, name: str, spec: Mapping[str, Any]) -> ObjectRef:
        """An object as a user applies it."""
        given = {"gatewayRefs": [{"name": "corp"}]} if kind is not GATEWAY_DEPLOYMENTS else {}
        await self.client_apply(kind, name, given | dict(spec))
        return ObjectRef(kind.kind, self.namespace, name)

    async def client_apply(self, kind: ResourceKind, name: str, spec: Mapping[str, Any]) -> None:
        metadata = {"namespace": self.namespace, "name": name}
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
        await KubeClient.apply(self.client, manifest, field_manager="user")

    async def write(self, ref: ObjectRef, status: Mapping[str, Any]) -> None:
        """A status as somebody else writes it."""
        kind = KINDS[ref.kind]
        await self.client.merge_patch(kind, ref.namespace, ref.name, {"status": status}, subresource="status")

    async def gateway_and_policies(self, *names: str) -> list[ObjectRef]:
        gateway = await self.apply(GATEWAY_DEPLOYMENTS, "corp", {"publicURL": "https://claude.corp.example"})
        policies = [await self.apply(GATEWAY_POLICIES, name, {"availableModels": []}) for name in names]
        return [gateway, *policies]

    async def apply_policy(self, name: str, *, models: list[str]) -> ObjectRef:
        return await self.apply(GATEWAY_POLICIES, name, {"availableModels": models})

    async def write_token(self, token: str) -> None:
        """The Secret with the admin port's token. Every pod is asked with it."""
        manifest = secret(self.namespace, signing_secret("corp"), **{ADMIN_TOKEN_FILE: token})
        await KubeClient.apply(self.client, manifest)
        self.token = token
        self.observer.want(self.gateway, sequence=self.sequence, token=token)

    async def write_configuration(self, sequence: int) -> None:
        """The Secrets that pods mount. Every pod is wanted to load them."""
        self.sequence = sequence
        revised = configuration(models=configuration().models[: 1 + sequence % 3])
        for part in config_secrets(self.gateway, "", files(revised, sequence=sequence)):
            await KubeClient.apply(self.client, part)
        self.observer.want(self.gateway, sequence=sequence, token=self.token)

    async def reconciled(self, *findings: Finding, wanted: int = 1, gateway: ObjectRef | None = None) -> None:
        """A reconcile of everything that there is, read now; every new generation is in the newest configuration."""
        gateway = gateway or self.gateway
        objects: dict[ObjectRef, ObjectOutcome] = {}
        for kind in KINDS.values():
            for live in await self.client.list(kind, self.namespace):
                seen = self._seen(live, findings)
                if seen.ref == gateway or gateway in self.named.get(seen.ref, (self.gateway,)):
                    objects[seen.ref] = seen
        own = objects[gateway]
        self.last = Outcome(
            gateway=gateway,
            uid=own.uid,
            generation=own.generation,
            url="https://claude.corp.example",
            revision=own.revision,
            sequence=self.sequence,
            objects=objects,
            replicas=Replicas(wanted=wanted),
            selector=f"{GROUP}/gateway={gateway.name}",
        )
        self.publisher.take(self.last)

    def reconciled_late(self, findings: Callable[[ObjectRef], Finding]) -> None:
        """A reconcile that read its objects when the last one did, and came to something else."""
        objects = {ref: replace(each, findings=(findings(ref),)) for ref, each in self.last.objects.items()}
        self.publisher.take(replace(self.last, objects=objects))

    def _seen(self, live: Object, findings: tuple[Finding, ...]) -> ObjectOutcome:
        metadata = live["metadata"]
        ref = ObjectRef(live["kind"], metadata["namespace"], metadata["name"])
        if self.held.get(ref, (0, 0))[0] != metadata["generation"]:
            self.held[ref] = (metadata["generation"], self.sequence)
        first = self.held[ref][1]
        return ObjectOutcome(
            ref=ref,
            uid=metadata["uid"],
            generation=metadata["generation"],
            findings=tuple(finding for finding in findings if finding.ref == ref),
            revision=f"sha256:{first:064x}",
            sequence=first,
            status=orjson.dumps(live.get("status") or {}),
            resource_version=metadata["resourceVersion"],
        )

    async def status(self, ref: ObjectRef) -> Object:
        live = await self.client.get(KINDS[ref.kind], ref.namespace, ref.name)
        assert live is not None
        found: Object = live["status"]
        return found

    async def words(self, ref: ObjectRef) -> dict[str, tuple[str, str]]:
        return {each["type"]: (each["status"], each["reason"]) for each in (await self.status(ref))["conditions"]}

    async def until(self, ref: ObjectRef, kind: str, reason: str) -> None:
        """Waits for the reason of a condition, told of the newest generation."""

        async def look() -> bool:
            live = await self.client.get(KINDS[ref.kind], ref.namespace, ref.name)
            assert live is not None
            generation = live["metadata"]["generation"]
            return any(
                (each["type"], each["reason"], each.get("observedGeneration")) == (kind, reason, generation)
                for each in live["status"]["conditions"]
            )

        await eventually(look, what=f"{kind} of {ref} for the reason {reason}", seen=lambda: self.status(ref))

    async def quiet(self) -> None:
        """Waits until what is known has been published."""
        before = self.published
        self.queue.add(self.gateway)

        async def look() -> bool:
            return self.published > before and not self.queue.waits(self.gateway)

        await eventually(look, what="an end of the writing")

    async def event_reasons(self) -> list[str]:
        return sorted(each["reason"] for each in await self.client.list(EVENTS, self.namespace))


async def eventually(
    look: Callable[[], Any], *, what: str, within: float = 15.0, seen: Callable[[], Any] | None = None
) -> None:
    """Raises `TimeoutError`, naming `what`."""
    until = asyncio.get_running_loop().time() + within
    while not await look():
        if asyncio.get_running_loop().time() > until:
            raise TimeoutError(f"{what}: not within {within:g} s; last seen: {await seen() if seen else None}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def reporting(server: ApiServer) -> AsyncIterator[Reporting]:
    namespace = new_name("status")
    plain = client_of(server)
    client = CountingClient(plain.access)
    await plain.close()
    client.statuses = []
    async with client:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        rig = Reporting(client, namespace)
        try:
            await rig.started()
            yield rig
        finally:
            await rig.end()
