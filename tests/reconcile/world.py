"""A namespace of a real API server with a gateway in it, and one that reconciles it and counts what it writes."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.api_client import ApiClient
from tests.kube.clients import new_name

from gateway_operator.children import ChildSettings
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.fanout import Fanout
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    PROVIDER_BINDINGS,
    SECRETS,
    ResourceKind,
)
from gateway_operator.reconcile.gateway import GatewayReconciler
from gateway_operator.reconcile.observer import Observation
from gateway_operator.reconcile.outcome import Outcome
from gateway_operator.reconcile.pods import PodState

CANARY = "sk-ant-canary-" + "7" * 32
SETTINGS = ChildSettings(
    image="registry.example/proxy:1",
    operator_namespace="claude-gateway-system",
    operator_pod_labels={"app.kubernetes.io/name": "claude-gateway-operator"},
)
NOW = 1_800_000_000


def manifest(kind: str, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "claude-gateway.dev/v1alpha1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }


def gateway(namespace: str, name: str = "corp", **spec: Any) -> dict[str, Any]:
    return manifest("GatewayDeployment", namespace, name, **{"publicURL": "https://claude.corp.example", **spec})


def binding(namespace: str, name: str = "anthropic", *, at: str | None = None, **spec: Any) -> dict[str, Any]:
    ref = {"name": "corp"} | ({"namespace": at} if at else {})
    key = {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}}
    return manifest(
        "ProviderBinding", namespace, name, **{"gatewayRefs": [ref], "type": "Anthropic", "anthropic": key, **spec}
    )


def policy(namespace: str, name: str = "everyone", *, at: str | None = None, **spec: Any) -> dict[str, Any]:
    ref = {"name": "corp"} | ({"namespace": at} if at else {})
    return manifest("GatewayPolicy", namespace, name, **{"gatewayRefs": [ref], **spec})


def secret(namespace: str, name: str = "anthropic", **members: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "stringData": {"api-key": CANARY},
        **members,
    }


def new_namespace(api: ApiClient, labels: Mapping[str, str] | None = None) -> str:
    name = new_name("reconcile")
    metadata = {"name": name, "labels": dict(labels or {})}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}).accepted()
    return name


class CountingClient:
    """The operator's own client; every write is noted, and a kind can be made to fail or to be shown as empty."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.broken: set[ResourceKind] = set()
        self.empty: set[ResourceKind] = set()
        """Kinds of which every list comes back empty, by error."""

    def _read(self, what: str, kind: ResourceKind, namespace: str | None, name: str = "") -> None:
        self.reads.append(f"{what} {kind.kind} {namespace or ''}/{name}")
        if kind in self.broken:
            raise UnavailableError("made to fail", status=500)

    async def get(
        self, kind: ResourceKind, namespace: str | None, name: str, *, managed_fields: bool = False
    ) -> Object | None:
        self._read("get", kind, namespace, name)
        return await self._client.get(kind, namespace, name, managed_fields=managed_fields)

    async def list(self, kind: ResourceKind, namespace: str | None = None, **selection: Any) -> list[Object]:
        self._read("list", kind, namespace)
        if kind in self.empty:
            return []
        return await self._client.list(kind, namespace, **selection)

    async def kept(self, kind: ResourceKind, namespace: str | None = None, **selection: Any) -> Sequence[Any]:
        self._read("list", kind, namespace)
        return await self._client.kept(kind, namespace, **selection)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        self._note("create", manifest)
        return await self._client.create(manifest)

    async def replace(self, manifest: Mapping[str, Any]) -> Object:
        self._note("replace", manifest)
        return await self._client.replace(manifest)

    async def apply(self, manifest: Mapping[str, Any], **how: Any) -> Object:
        self._note("apply", manifest)
        return await self._client.apply(manifest, **how)

    async def delete(self, kind: ResourceKind, namespace: str | None, name: str, **how: Any) -> bool:
        self.writes.append(f"delete {kind.kind} {name}")
        return await self._client.delete(kind, namespace, name, **how)

    def _note(self, verb: str, manifest: Mapping[str, Any]) -> None:
        self.writes.append(f"{verb} {manifest['kind']} {manifest['metadata']['name']}")


class Fleet:
    """Pods and what they are observed to have loaded: both what the observer wants and what it tells."""

    def __init__(self) -> None:
        self.wanted: dict[ObjectRef, int | None] = {}
        self.tokens: dict[ObjectRef, str] = {}
        self.forgotten: list[ObjectRef] = []
        self.pods: dict[str, PodState] = {}
        self.loaded: dict[str, Observation] = {}

    def want(self, gateway: ObjectRef, *, sequence: int | None, token: str) -> None:
        self.wanted[gateway] = sequence
        self.tokens[gateway] = token

    def forget(self, gateway: ObjectRef) -> None:
        self.forgotten.append(gateway)

    def observations(self, gateway: ObjectRef) -> dict[str, Observation]:
        return self.loaded

    def of(self, gateway: ObjectRef) -> tuple[PodState, ...]:
        return tuple(pod for pod in self.pods.values() if pod.gateway == gateway)

    def add(self, gateway: ObjectRef, name: str, sequence: int | None, *, ready: bool = True) -> None:
        self.pods[name] = PodState(uid=name, name=name, namespace=gateway.namespace, gateway=gateway, ready=ready)
        self.loaded.pop(name, None)
        if sequence is not None:
            self.loaded[name] = Observation(answered=True, sequence=sequence)


class Operator:
    """One operator process, as far as a gateway's reconcile goes. A new one has forgotten everything."""

    def __init__(
        self,
        client: KubeClient,
        *,
        namespaces: tuple[str, ...] = (),
        settings: ChildSettings = SETTINGS,
        now: int = NOW,
    ) -> None:
        self.client = CountingClient(client)
        self.raw = client
        self.fanout = Fanout()
        self.fleet = Fleet()
        self.outcomes: dict[ObjectRef, Outcome] = {}
        self.now = now
        self.reconciler = GatewayReconciler(
            client=self.client,
            settings=settings,
            fanout=self.fanout,
            observer=self.fleet,
            pods=self.fleet,
            on_outcome=lambda outcome: self.outcomes.__setitem__(outcome.gateway, outcome),
            namespaces=namespaces,
            clock=lambda: float(self.now),
        )
        self.again: float | None = None

    async def reconcile(self, namespace: str, name: str = "corp") -> Outcome:
        """One round, with the fan-out told of everything first. `client.writes` are those of this round."""
        for kind in (GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES):
            for item in await self.raw.list(kind):
                self.fanout.record(item)
        self.client.writes.clear()
        self.client.reads.clear()
        ref = ObjectRef("GatewayDeployment", namespace, name)
        self.again = await self.reconciler.reconcile(ref)
        return self.outcomes[ref]

    async def secret(self, namespace: str, name: str) -> dict[str, bytes]:
        found = await self.raw.get(SECRETS, namespace, name)
        assert found is not None, f"Secret {namespace}/{name}"
        return {key: base64.b64decode(value) for key, value in found["data"].items()}

    async def configuration(self, namespace: str, name: str = "corp") -> dict[str, Any]:
        packed = (await self.secret(namespace, f"{name}-config"))["part-0"]
        document: dict[str, Any] = json.loads(gzip.decompress(packed))
        return document

    async def deployment(self, namespace: str, name: str = "corp") -> Object:
        found = await self.raw.get(DEPLOYMENTS, namespace, name)
        assert found is not None
        return found


def reasons(outcome: Outcome, kind: str, name: str, namespace: str | None = None) -> set[str]:
    return {str(finding.reason) for finding in findings(outcome, kind, name, namespace)}


def findings(outcome: Outcome, kind: str, name: str, namespace: str | None = None) -> tuple[Finding, ...]:
    return outcome.objects[ObjectRef(kind, namespace or outcome.gateway.namespace, name)].findings
