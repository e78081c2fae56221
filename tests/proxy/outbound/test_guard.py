"""Hosts whose addresses are looked up: what is refused, and that the connection goes where the judged answer led."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway_config.contract import Egress, Timeouts
from gateway_proxy.outbound.guard import connect, resolve
from gateway_proxy.upstream.errors import RefusedAddressError
from gateway_proxy.upstream.pool import Pools

TIMEOUTS = Timeouts(connect_seconds=5, first_byte_seconds=5, idle_seconds=5)
REQUEST = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"


class Names:
    """A resolver: each look-up of a name takes the next of its answers, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        loop = asyncio.get_running_loop()
        self._real = loop.getaddrinfo
        monkeypatch.setattr(loop, "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int, **options: Any) -> list[Any]:
        self.asked.append(host)
        answers = self._answers[host.partition(".")[0]]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [found for address in addresses for found in await self._real(address, port, **options)]


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port of a server on loopback that answers anything with 200."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            await writer.drain()
        writer.transport.abort()

    tasks: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*filter(None, tasks), return_exceptions=True), 5)
        await asyncio.sleep(0.01)


async def ask(egress: Egress, url: str) -> bytes | None:
    pools = Pools()
    try:
        exchange = await pools.pool(url, egress).exchange(REQUEST, b"{}", timeouts=TIMEOUTS)
        return await exchange.read(100)
    finally:
        pools.close()


@pytest.mark.parametrize(
    "answer",
    [
        ["169.254.169.254"],
        ["93.184.215.14", "169.254.169.254"],
        ["::ffff:169.254.169.254"],
        ["127.0.0.1"],
        ["93.184.215.14", "::1"],
        ["0.0.0.0"],
        ["fe80::1"],
    ],
    ids=lambda answer: "+".join(answer),
)
async def test_a_name_that_leads_to_a_refused_address(monkeypatch: pytest.MonkeyPatch, answer: list[str]) -> None:
    Names(monkeypatch, evil=[answer])
    with pytest.raises(RefusedAddressError, match=r"no connection to evil\.example: ") as caught:
        await resolve("evil.example", 443, allow_loopback=False)
    assert answer[-1].removeprefix("::ffff:") in str(caught.value) or "a9fe:a9fe" in str(caught.value)


async def test_private_and_public_addresses_are_given_in_the_resolvers_order(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, good=[["10.1.2.3", "fd00::1", "93.184.215.14"]])
    found = await resolve("good.example", 443, allow_loopback=False)
    assert [where[4][0] for where in found] == ["10.1.2.3", "fd00::1", "93.184.215.14"]


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "metadata.google.internal", "localhost"])
async def test_what_needs_no_look_up_causes_none(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    names = Names(monkeypatch)
    with pytest.raises(RefusedAddressError):
        await resolve(host, 80, allow_loopback=False)
    assert names.asked == []


async def test_a_name_that_changes_its_mind_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as port:
        names = Names(monkeypatch, rebind=[["127.0.0.1"], ["169.254.169.254"]])
        assert await ask(Egress(allow_loopback=True), f"http://rebind.example:{port}") == b"ok"
        assert names.asked == ["rebind.example"], "looked up once, and connected to what was judged"
        with pytest.raises(RefusedAddressError):
            await ask(Egress(allow_loopback=True), f"http://rebind.example:{port}")


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as port:
        Names(monkeypatch, twofold=[["127.0.0.2", "127.0.0.1"]])
        sock = await connect("twofold.example", port, allow_loopback=True)
        assert sock.getpeername()[0] == "127.0.0.1"
        sock.close()


async def test_loopback_is_refused_unless_it_is_allowed() -> None:
    async with listening() as port:
        for host in ("127.0.0.1", "localhost", "127.1"):
            with pytest.raises(RefusedAddressError, match="allowLoopback"):
                await ask(Egress(), f"http://{host}:{port}")
            assert await ask(Egress(allow_loopback=True), f"http://{host}:{port}") == b"ok"


async def test_a_forward_proxy_is_a_host_like_any_other() -> None:
    async with listening() as port:
        proxy = f"http://127.0.0.1:{port}"
        for url in ("https://api.anthropic.com", "http://collector.corp:4318"):
            with pytest.raises(RefusedAddressError, match=r"no connection to 127\.0\.0\.1"):
                await ask(Egress(proxy_url=proxy), url)
        assert await ask(Egress(proxy_url=proxy, allow_loopback=True), "http://collector.corp:4318") == b"ok"


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "[fd00:ec2::254]", "metadata.google.internal"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_forward_proxy_is_not_asked_for_what_is_refused(scheme: str, host: str) -> None:
    async with listening() as port:
        with pytest.raises(RefusedAddressError, match="the metadata service of a cloud"):
            await ask(Egress(proxy_url=f"http://127.0.0.1:{port}", allow_loopback=True), f"{scheme}://{host}")


async def test_a_name_without_addresses_is_an_error_of_its_own() -> None:
    with pytest.raises(socket.gaierror):
        await resolve("does-not-exist.invalid", 443, allow_loopback=False)
