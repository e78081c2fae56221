"""kopf watches with our credentials."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of, eventually, lamps, new_name
from tests.kube.recording import watching

from gateway_operator.kube.access import kopf_login
from gateway_operator.kube.client import KubeClient


async def test_kopf_tells_of_an_object(
    api_server: ApiServer, api: ApiClient, client: KubeClient, namespace: str
) -> None:
    kind, crd = lamps(f"{new_name('group')}.example.com")
    await client.create(crd)
    async with watching(client, kind, namespace=namespace):  # synced: the kind is served
        pass
    told: list[str] = []

    async def on_event(name: str, **_: Any) -> None:
        told.append(name)

    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf_login(client_of(api_server).access))
    kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(on_event)
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    stop = asyncio.Event()
    running = asyncio.create_task(
        kopf.operator(registry=registry, settings=settings, namespaces=[namespace], standalone=True, stop_flag=stop)
    )
    api.create(
        {
            "apiVersion": kind.api_version,
            "kind": "Lamp",
            "metadata": {"name": "a", "namespace": namespace},
        }
    ).accepted()
    try:
        await eventually(lambda: "a" in told, what="kopf told of it")
    finally:
        stop.set()
        await running
