"""A cluster's objects as manifests, so that every command that takes a directory takes a cluster too."""

import asyncio
from collections.abc import Iterable
from typing import Final

from gateway_operator.compiler import ConfigMap, ObjectRef, Resource, Secret, Snapshot
from gateway_operator.fanout import Fanout
from gateway_operator.kube.client import KubeClient, Object, Objects
from gateway_operator.kube.errors import ForbiddenError
from gateway_operator.kube.resources import (
    GATEWAY_DEPLOYMENTS,
    GATEWAY_POLICIES,
    PROVIDER_BINDINGS,
    SECRETS,
    ResourceKind,
)
from gateway_operator.local.manifests import Manifests, Problem
from gateway_operator.reconcile.fetch import gather
from gateway_operator.together import together

GATEWAYS_AT_ONCE: Final = 8
_FORBIDDEN: Final = "where you may look (you may not read Secrets)"


async def manifests(client: KubeClient, *, namespace: str | None) -> Manifests:
    """What concerns the gateways of one namespace, or of all: they, what names them from wherever, and the Secrets and
    ConfigMaps that count. Read as the operator reads. Raises KubeErrors.

    Whoever may not read Secrets gets the rest, as from files that hold none.
    """
    fanout = Fanout()
    found = [await client.list(kind, namespace) for kind in (GATEWAY_DEPLOYMENTS, PROVIDER_BINDINGS, GATEWAY_POLICIES)]
    gateways: set[ObjectRef] = set()
    for item in (item for items in found for item in items):
        gateways |= fanout.record(item)
    reader = _WithoutSecrets(client)
    slots = asyncio.Semaphore(GATEWAYS_AT_ONCE)

    async def snapshot(gateway: ObjectRef) -> Snapshot:
        async with slots:
            return (await gather(gateway, reader=reader, referrers=fanout, watched=())).snapshot

    merged = _merged(await together(map(snapshot, sorted(gateways))))
    place = f"namespace {namespace}" if namespace else "every namespace"
    count = sum(resource.ref.kind == GATEWAY_DEPLOYMENTS.kind for resource in merged.resources)
    notes = [Problem("cluster", 0, "", f"{place}: {count} gateway{'' if count == 1 else 's'}")]
    return Manifests(snapshot=merged, notes=tuple(notes), elsewhere=_FORBIDDEN if reader.refused else "")


def _merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One of all: what several gateways share stands once."""
    resources: dict[ObjectRef, Resource] = {}
    secrets: dict[tuple[str, str], Secret] = {}
    config_maps: dict[tuple[str, str], ConfigMap] = {}
    labels: dict[str, dict[str, str]] = {}
    for snapshot in snapshots:
        resources |= {resource.ref: resource for resource in snapshot.resources}
        secrets |= {(secret.namespace, secret.name): secret for secret in snapshot.secrets}
        config_maps |= {(each.namespace, each.name): each for each in snapshot.config_maps}
        labels |= {name: dict(found) for name, found in snapshot.namespace_labels.items()}
    return Snapshot(
        resources=tuple(resources.values()),
        secrets=tuple(secrets.values()),
        config_maps=tuple(config_maps.values()),
        namespace_labels=labels,
    )


class _WithoutSecrets:
    """Reads as this person may: Secrets that are forbidden are as good as absent."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.refused = False

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        try:
            return await self._client.get(kind, namespace, name)
        except ForbiddenError:
            if kind != SECRETS:
                raise
            self.refused = True
            return None

    async def list(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Objects:
        try:
            return await self._client.list(kind, namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        except ForbiddenError:
            if kind != SECRETS:
                raise
            self.refused = True
            return []
