"""A server on a bad day: reads and harmless writes are tried again, a creation never twice, and nothing is made up."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_at, client_of, secret
from tests.kube.cut_proxy import cut_proxy
from tests.kube.fake_server import Answer, breaks_off, config_map, fake_server, hangs_up, refuses, says

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.errors import AlreadyExistsError, ConflictError, NotFoundError, UnavailableError
from gateway_operator.kube.resources import CONFIG_MAPS, SECRETS

OBJECT = says(config_map("a", 1))
BUSY = refuses(429, "TooManyRequests")


async def _write(client: KubeClient, verb: str) -> object:
    manifest = config_map("a", 1)
    match verb:
        case "apply":
            return await client.apply(manifest)
        case "replace":
            return await client.replace(manifest)
        case "merge_patch":
            return await client.merge_patch(CONFIG_MAPS, "n", "a", {"data": {}})
        case "delete":
            return await client.delete(CONFIG_MAPS, "n", "a")
        case _:
            return await client.create(manifest)


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        refuses(500, "InternalError"),
        refuses(503, "ServiceUnavailable"),
        refuses(504, "Timeout"),
        says(b'{"kind": "ConfigMap", "metada'),
        says(b""),
        breaks_off(b'{"kind": "Config', announced=500),
        hangs_up(),
    ],
    ids=["429", "500", "503", "504", "half-json", "empty", "cut", "hung-up"],
)
async def test_a_read_outlives_one_failure_and_not_a_lasting_one(failure: Answer) -> None:
    async with fake_server(failure, OBJECT) as fake, client_at(fake.url) as client:
        read = await client.get(CONFIG_MAPS, "n", "a")
    assert read
    assert read["metadata"]["name"] == "a"
    async with fake_server(failure) as fake, client_at(fake.url, retry_seconds=0.2) as client:
        with pytest.raises(UnavailableError):
            await client.get(CONFIG_MAPS, "n", "a")


@pytest.mark.parametrize("verb", ["apply", "replace", "merge_patch", "delete", "create"])
async def test_a_write_that_was_turned_away_is_sent_again(verb: str) -> None:
    async with fake_server(BUSY, BUSY, OBJECT) as fake, client_at(fake.url) as client:
        await _write(client, verb)
    assert len(fake.seen) == 3


@pytest.mark.parametrize("verb", ["apply", "replace", "merge_patch", "delete"])
async def test_a_write_that_may_happen_twice_outlives_a_lost_connection(verb: str) -> None:
    async with fake_server(hangs_up(), OBJECT) as fake, client_at(fake.url) as client:
        await _write(client, verb)
    assert len(fake.seen) >= 2


@pytest.mark.parametrize("verb", ["apply", "replace", "merge_patch", "delete", "create"])
async def test_a_write_that_failed_inside_the_server_is_not_repeated(verb: str) -> None:
    async with fake_server(refuses(500, "InternalError"), OBJECT) as fake, client_at(fake.url) as client:
        with pytest.raises(UnavailableError):
            await _write(client, verb)
    assert len(fake.seen) == 1


@pytest.mark.parametrize(
    "failure", [hangs_up(), breaks_off(b"{", announced=50), says(b"{")], ids=["hung-up", "cut", "half-json"]
)
async def test_a_creation_is_not_sent_twice(failure: Answer) -> None:
    async with fake_server(failure, OBJECT) as fake, client_at(fake.url) as client:
        with pytest.raises(UnavailableError):
            await _write(client, "create")
    assert len(fake.seen) == 1


async def test_a_server_that_listens_again_gets_even_a_creation(api_server: ApiServer, namespace: str) -> None:
    with cut_proxy(api_server.url) as proxy:
        proxy.refuse()
        async with client_of(api_server, url=proxy.url) as client:
            creating = asyncio.ensure_future(client.create(secret(namespace, "a")))
            await asyncio.wait([creating], timeout=0.3)
            assert not creating.done()
            proxy.accept()
            assert (await creating)["metadata"]["name"] == "a"
            with pytest.raises(AlreadyExistsError):
                await client.create(secret(namespace, "a"))


async def test_a_server_that_is_not_there_is_given_up(unused_tcp_port: int) -> None:
    async with client_at(f"http://127.0.0.1:{unused_tcp_port}", retry_seconds=0.3) as client:
        with pytest.raises(UnavailableError, match="not connected") as caught:
            await client.list(SECRETS)
    assert caught.value.status == 0


async def test_silence_is_given_up() -> None:
    asked = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes us")

    async with fake_server(silent) as fake, client_at(fake.url, request_seconds=0.2, retry_seconds=0) as client:
        with pytest.raises(UnavailableError, match="no answer in time"):
            await client.list(SECRETS)
    assert asked.is_set()


async def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    loop = asyncio.get_running_loop()
    async with fake_server(refuses(429, "", retry_after=1), OBJECT) as fake, client_at(fake.url) as client:
        started = loop.time()
        await client.get(CONFIG_MAPS, "n", "a")
        assert loop.time() - started >= 1  # waited as long, however fast the machine


async def test_a_wait_beyond_our_own_limit_is_told() -> None:
    async with fake_server(refuses(429, "", retry_after=3600)) as fake, client_at(fake.url) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.get(CONFIG_MAPS, "n", "a")
    assert caught.value.retry_after == 3600
    assert len(fake.seen) == 1


async def test_not_found_is_believed_only_of_the_object_itself() -> None:
    async with fake_server(refuses(404, "NotFound", name="a")) as fake, client_at(fake.url) as client:
        assert await client.get(CONFIG_MAPS, "n", "a") is None
        assert not await client.delete(CONFIG_MAPS, "n", "a")
        with pytest.raises(NotFoundError):
            await client.get(CONFIG_MAPS, "n", "b")
    async with fake_server(says(b"404 page not found", status=404)) as fake, client_at(fake.url) as client:
        with pytest.raises(NotFoundError):
            await client.get(CONFIG_MAPS, "n", "a")
        with pytest.raises(NotFoundError):
            await client.delete(CONFIG_MAPS, "n", "a")


async def test_an_object_of_another_kind_is_no_answer() -> None:
    async with fake_server(OBJECT) as fake, client_at(fake.url, retry_seconds=0) as client:
        with pytest.raises(UnavailableError, match="no Secret"):
            await client.get(SECRETS, "n", "a")


async def test_a_conflict_is_not_retried() -> None:
    async with fake_server(refuses(409, "Conflict")) as fake, client_at(fake.url) as client:
        with pytest.raises(ConflictError):
            await _write(client, "replace")
    assert len(fake.seen) == 1


async def test_what_the_server_warns_of_is_logged_for_who_looks(caplog: pytest.LogCaptureFixture) -> None:
    warning = {"Warning": '299 - "unknown field \\"spec.x\\""'}
    caplog.set_level(logging.DEBUG, "gateway_operator.kube.transport")
    async with fake_server(says(config_map("a", 1), headers=warning)) as fake, client_at(fake.url) as client:
        await _write(client, "apply")
    [record] = caplog.records
    assert record.levelno == logging.DEBUG
    assert "spec.x" in record.getMessage()


async def test_many_requests_at_once_share_a_bounded_number_of_connections() -> None:
    open_now, most = 0, 0
    free = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        if open_now >= 32:
            free.set()
        await free.wait()
        open_now -= 1
        return await OBJECT(request)

    async with fake_server(slow) as fake, client_at(fake.url) as client:
        await asyncio.gather(*(client.get(CONFIG_MAPS, "n", "a") for _ in range(100)))
    assert most == 32
