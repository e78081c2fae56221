"""A list is complete or an error: paged, of a single moment, never made up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.kube.clients import client_at, secret
from tests.kube.fake_server import config_map, config_maps, fake_server, refuses, says, says_page

from gateway_operator.kube.client import PAGE, KubeClient
from gateway_operator.kube.errors import UnavailableError
from gateway_operator.kube.resources import CONFIG_MAPS, GATEWAY_POLICIES, SECRETS


async def test_more_than_a_page_is_listed_whole(client: KubeClient, namespace: str) -> None:
    count = PAGE + 20
    slots = asyncio.Semaphore(16)

    async def create(number: int) -> None:
        async with slots:
            await client.create(secret(namespace, f"s-{number}", labels={"even": str(number % 2 == 0).lower()}))

    await asyncio.gather(*(create(number) for number in range(count)))
    assert len(await client.list(SECRETS, namespace)) == count
    assert len(await client.list(SECRETS, namespace, labels="even=true")) == count / 2
    assert [item["metadata"]["name"] for item in await client.list(SECRETS, namespace, fields="metadata.name=s-7")] == [
        "s-7"
    ]
    assert len(await client.list(SECRETS, namespace, metadata_only=True)) == count


async def test_items_say_what_they_are(client: KubeClient, namespace: str) -> None:
    await client.create(secret(namespace, "a", key="value"))
    [item] = await client.list(SECRETS, namespace)
    assert (item["apiVersion"], item["kind"]) == ("v1", "Secret")
    assert item["data"] == {"key": "dmFsdWU="}
    assert "managedFields" not in item["metadata"]


async def test_a_metadata_only_list_carries_no_data(client: KubeClient, namespace: str) -> None:
    made = secret(namespace, "a", labels={"l": "v"}, key="canary-3391")
    copy = "kubectl.kubernetes.io/last-applied-configuration"
    made["metadata"]["annotations"] = {copy: '{"stringData": {"key": "canary-3391"}}', "mine": "stays"}
    await client.create(made)
    [item] = await client.list(SECRETS, namespace, metadata_only=True)
    assert set(item) == {"apiVersion", "kind", "metadata"}
    assert (item["apiVersion"], item["kind"]) == ("v1", "Secret")
    assert item["metadata"]["labels"] == {"l": "v"}
    assert item["metadata"]["annotations"] == {"mine": "stays"}
    assert "canary-3391" not in repr(item)


async def test_nothing_is_an_empty_list(client: KubeClient, api: object, namespace: str) -> None:
    assert await client.list(SECRETS, namespace) == []
    assert await client.list(SECRETS, namespace, metadata_only=True) == []
    assert await client.list(GATEWAY_POLICIES, namespace) == []
    assert await client.list(GATEWAY_POLICIES, namespace, metadata_only=True) == []


async def test_null_items_are_no_items() -> None:
    async with fake_server(says(config_maps(5, None))) as fake, client_at(fake.url) as client:
        assert await client.list(CONFIG_MAPS) == []


async def test_an_expired_page_begins_the_list_anew() -> None:
    first = says(config_maps(5, [config_map("old", 1)], more="token"))
    again = says(config_maps(9, [config_map("a", 8)], more="other"))
    last = says(config_maps(9, [config_map("b", 9)]))
    async with fake_server(first, refuses(410, "Expired"), again, last) as fake, client_at(fake.url) as client:
        listing = await client.listing(CONFIG_MAPS)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "9"
    assert [request.query.get("continue") for request in fake.seen] == [None, "token", None, "other"]


async def test_a_list_that_expires_again_and_again_fails() -> None:
    async with fake_server(refuses(410, "Expired")) as fake, client_at(fake.url) as client:
        with pytest.raises(UnavailableError, match="3 times"):
            await client.list(CONFIG_MAPS)
    assert len(fake.seen) == 3


async def test_a_second_page_that_fails_is_no_shorter_list() -> None:
    first = says(config_maps(5, [config_map("a", 1)], more="token"))
    async with (
        fake_server(first, refuses(500, "InternalError")) as fake,
        client_at(fake.url, retry_seconds=0) as client,
    ):
        with pytest.raises(UnavailableError, match="500"):
            await client.list(CONFIG_MAPS)


async def test_a_page_that_never_ends_is_given_up() -> None:
    page = says(config_maps(5, [config_map("a", 1)], more="the same"))
    async with fake_server(page) as fake, client_at(fake.url) as client:
        with pytest.raises(UnavailableError, match="again and again"):
            await client.list(CONFIG_MAPS)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"kind": "Status", "apiVersion": "v1", "status": "Success"},
        {**config_maps(5, []), "kind": "SecretList"},
        {**config_maps(5, []), "items": {}},
        {**config_maps(5, []), "items": [None]},
        {**config_maps(5, []), "items": [{"kind": "ConfigMap"}]},
        {**config_maps(5, []), "metadata": {}},
        {"kind": "ConfigMapList", "apiVersion": "v1"},
    ],
    ids=repr,
)
async def test_what_is_no_list_is_never_an_empty_one(body: Any) -> None:
    async with fake_server(says(body)) as fake, client_at(fake.url, retry_seconds=0) as client:
        with pytest.raises(UnavailableError):
            await client.list(CONFIG_MAPS)


async def test_a_page_of_a_proxy_in_between_is_never_an_empty_list() -> None:
    async with fake_server(says_page("<html>ok</html>")) as fake, client_at(fake.url, retry_seconds=0) as client:
        with pytest.raises(UnavailableError):
            await client.list(CONFIG_MAPS)
        with pytest.raises(UnavailableError):
            await client.get(CONFIG_MAPS, "n", "a")
