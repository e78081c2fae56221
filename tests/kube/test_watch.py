"""A watch tells what is there, then what changes, with nothing but metadata where that is asked for."""

from __future__ import annotations

import asyncio

from tests.kube.clients import eventually, secret
from tests.kube.recording import watching

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import SECRETS


async def test_objects_are_told_as_they_come_change_and_go(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "before", key="1"))
    async with watching(client, SECRETS, namespace=namespace) as (watch, seen):
        assert seen.told == ["ADDED before"]
        await client.create(secret(namespace, "after", key="1"))
        await client.apply(secret(namespace, "after", key="2"))
        await client.delete(SECRETS, namespace, "after")
        await client.create(secret(namespace, "after", key="3"))
        expected = ["ADDED before", "ADDED after", "MODIFIED after", "DELETED after", "ADDED after"]
        await eventually(lambda: seen.told == expected, what="all is told")
        assert [item["data"]["key"] for _, item in seen.events] == ["MQ==", "MQ==", "Mg==", "Mg==", "Mw=="]
        assert all((item["apiVersion"], item["kind"]) == ("v1", "Secret") for _, item in seen.events)
        assert all("managedFields" not in item["metadata"] for _, item in seen.events)
        assert len(watch) == 2


async def test_metadata_is_all_that_a_metadata_only_watch_tells(client: KubeClient, namespace: str) -> None:
    first = secret(namespace, "a", key="canary-5512")
    first["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "canary-5512"}
    await client.create(first)
    async with watching(client, SECRETS, namespace=namespace, metadata_only=True) as (_, seen):
        await client.apply(secret(namespace, "a", key="canary-5513"))
        await client.delete(SECRETS, namespace, "a")
        await eventually(lambda: seen.told == ["ADDED a", "MODIFIED a", "DELETED a"], what="all is told")
    for _, item in seen.events:
        assert set(item) == {"apiVersion", "kind", "metadata"}
        assert (item["apiVersion"], item["kind"]) == ("v1", "Secret")
        assert "canary" not in repr(item)


async def test_an_object_that_leaves_the_selector_is_gone(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a", labels={"team": "x"}))
    await client.create(secret(namespace, "b", labels={"team": "y"}))
    async with watching(client, SECRETS, namespace=namespace, labels="team=x") as (_, seen):
        await client.merge_patch(SECRETS, namespace, "a", {"metadata": {"labels": {"team": "y"}}})
        await client.merge_patch(SECRETS, namespace, "b", {"metadata": {"labels": {"team": "x"}}})
        await eventually(lambda: seen.told == ["ADDED a", "DELETED a", "ADDED b"], what="both moves are told")


async def test_a_list_comes_whole_to_who_takes_lists(client: KubeClient, namespace: str) -> None:
    for name in ("a", "b"):
        await client.create(secret(namespace, name))
    async with watching(client, SECRETS, namespace=namespace, lists=True) as (_, seen):
        assert seen.listed == [["a", "b"]]
        await client.create(secret(namespace, "c"))
        await eventually(lambda: seen.told == ["ADDED c"], what="the change is told")


async def test_a_watch_that_the_server_ends_goes_on(client: KubeClient, namespace: str) -> None:
    async with watching(client, SECRETS, namespace=namespace, server_seconds=1) as (_, seen):
        await eventually(lambda: len(seen.restarts) >= 2, what="the watch was begun anew")
        await client.create(secret(namespace, "a"))
        await eventually(lambda: seen.told == ["ADDED a"], what="the change is told")
    assert set(seen.restarts) == {"ended"}


async def test_what_a_consumer_raises_ends_nothing(client: KubeClient, namespace: str) -> None:
    told = []

    def on_event(event_type: str, item: dict[str, dict[str, str]]) -> None:
        told.append(item["metadata"]["name"])
        raise RuntimeError("a consumer's mistake")

    async with watching(client, SECRETS, namespace=namespace, on_event=on_event):
        for name in ("a", "b"):
            await client.create(secret(namespace, name))
        await eventually(lambda: told == ["a", "b"], what="both are told")


async def test_a_hundred_watches_share_one_client(client: KubeClient, namespace: str) -> None:
    async with asyncio.TaskGroup() as group:
        ready = [asyncio.Event() for _ in range(100)]
        done = asyncio.Event()

        async def one(event: asyncio.Event) -> None:
            async with watching(client, SECRETS, namespace=namespace) as (_, seen):
                event.set()
                await eventually(lambda: seen.told == ["ADDED a"], what="the change is told")
                await done.wait()

        for event in ready:
            group.create_task(one(event))
        for event in ready:
            await event.wait()
        await client.create(secret(namespace, "a"))  # watches take none of the requests' slots
        done.set()
