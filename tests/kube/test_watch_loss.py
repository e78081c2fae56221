"""A watch through an API server that goes away: cut, refused, silent, forgetful. Nothing is lost, nothing made up."""

from __future__ import annotations

import asyncio

from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of, eventually, lamps, new_name, secret
from tests.kube.cut_proxy import cut_proxy
from tests.kube.recording import watching

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import SECRETS


async def test_a_cut_watch_goes_on_where_it_was(api_server: ApiServer, client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "old"))
    with cut_proxy(api_server.url) as proxy:
        async with (
            client_of(api_server, url=proxy.url) as through,
            watching(through, SECRETS, namespace=namespace, lists=True) as (_, seen),
        ):
            for number in range(5):
                proxy.cut()
                await client.create(secret(namespace, f"s-{number}"))
                await eventually(lambda: seen.told[-1:] == [f"ADDED s-{number}"], what="the change is told")  # noqa: B023
            assert seen.told == [f"ADDED s-{number}" for number in range(5)]


async def test_a_deletion_during_an_outage_is_told(api_server: ApiServer, client: KubeClient, namespace: str) -> None:
    for name in ("stays", "goes", "is-replaced", "changes"):
        await client.create(secret(namespace, name, labels={"gateway": f"of-{name}"}))
    with cut_proxy(api_server.url) as proxy:
        async with (
            client_of(api_server, url=proxy.url, retry_seconds=0.2) as through,
            watching(through, SECRETS, namespace=namespace, metadata_only=True, keep_label="gateway") as (watch, seen),
        ):
            del seen.events[:]
            proxy.refuse()
            await client.delete(SECRETS, namespace, "goes")
            await client.delete(SECRETS, namespace, "is-replaced")
            await client.create(secret(namespace, "is-replaced"))
            await client.apply(secret(namespace, "changes", key="new"))
            await eventually(lambda: seen.restarts, what="the loss was noticed")
            watch._version = ""  # as after a long outage: the server has forgotten
            assert seen.told == []
            proxy.accept()
            await eventually(lambda: len(seen.events) >= 4, what="all is told")
    assert sorted(seen.told[:2]) == ["DELETED goes", "DELETED is-replaced"]
    assert sorted(seen.told[2:]) == ["ADDED is-replaced", "MODIFIED changes"]
    gone = {item["metadata"]["name"]: item for _, item in seen.events[:2]}["goes"]
    assert gone["kind"] == "Secret"
    assert gone["metadata"]["namespace"] == namespace
    assert gone["metadata"]["labels"] == {"gateway": "of-goes"}
    assert gone["metadata"]["uid"]


async def test_a_forgotten_version_is_listed_anew(
    api_server: ApiServer, api: ApiClient, client: KubeClient, namespace: str
) -> None:
    kind, crd = lamps(f"{new_name('group')}.example.com")
    await client.create(crd)
    with cut_proxy(api_server.url) as proxy:
        async with (
            client_of(api_server, url=proxy.url) as through,
            watching(through, kind, namespace=namespace, lists=True) as (watch, seen),
        ):
            lamp = {"apiVersion": kind.api_version, "kind": "Lamp"}
            api.create({**lamp, "metadata": {"name": "goes", "namespace": namespace}}).accepted()
            await eventually(lambda: seen.told == ["ADDED goes"], what="the change is told")
            proxy.refuse()
            watch._version = "1"  # the server's memory of a kind begins with its CRD
            assert await client.delete(kind, namespace, "goes")
            api.create({**lamp, "metadata": {"name": "stays", "namespace": namespace}}).accepted()
            proxy.accept()
            await eventually(lambda: seen.lists[-1], what="a list with the new object")
    assert seen.listed[-1] == ["stays"]
    assert "expired" in seen.restarts
    assert seen.told == ["ADDED goes", "DELETED goes"]


async def test_an_event_cut_in_its_middle_is_told_once_and_whole(
    api_server: ApiServer, client: KubeClient, namespace: str
) -> None:
    large = "x" * 300_000
    with cut_proxy(api_server.url) as proxy:
        async with (
            client_of(api_server, url=proxy.url) as through,
            watching(through, SECRETS, namespace=namespace) as (_, seen),
        ):
            proxy.cut()
            proxy.cut_after(100_000)
            await client.create(secret(namespace, "large", key=large))
            await eventually(lambda: len(seen.restarts) >= 3, what="cut again and again")
            assert seen.told == []
            proxy.cut_after(10_000_000)
            await eventually(lambda: seen.told == ["ADDED large"], what="the change is told")
            assert len(seen.events[0][1]["data"]["key"]) == 400_000


async def test_a_silent_server_is_noticed(api_server: ApiServer, client: KubeClient, namespace: str) -> None:
    with cut_proxy(api_server.url) as proxy:
        async with (
            client_of(api_server, url=proxy.url, request_seconds=1) as through,
            watching(through, SECRETS, namespace=namespace, server_seconds=2, margin=0.5) as (_, seen),
        ):
            proxy.hold()
            await client.create(secret(namespace, "a"))
            await eventually(lambda: "lost" in seen.restarts, what="the silence was noticed")
            assert seen.told == []
            proxy.resume()
            await eventually(lambda: seen.told == ["ADDED a"], what="the change is told")


async def test_a_server_that_is_away_at_the_start_is_waited_for(
    api_server: ApiServer, client: KubeClient, namespace: str
) -> None:
    await client.create(secret(namespace, "a"))
    with cut_proxy(api_server.url) as proxy:
        proxy.refuse()
        async with (
            client_of(api_server, url=proxy.url, retry_seconds=0.1) as through,
            watching(through, SECRETS, synced=False, namespace=namespace) as (watch, seen),
        ):
            await eventually(lambda: len(seen.restarts) >= 2, what="it was tried")
            assert not watch.synced.is_set()
            assert seen.told == []
            proxy.accept()
            async with asyncio.timeout(20):
                await watch.synced.wait()
            assert seen.told == ["ADDED a"]
