"""The ways to a collector that speaks gRPC: TLS, a company's own authority, a forward proxy, addresses that change."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import trustme
from tests.standins.collector import Collector
from tests.standins.otlp import MESSAGES

from gateway_config.contract import Destination, Egress
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.telemetry.relay.batch import PROTOBUF, Batch, LaterError, RefusedError
from gateway_proxy.telemetry.relay.grpc_sender import GrpcSender
from gateway_proxy.upstream.pool import Pools

BODY = MESSAGES["metrics"].SerializeToString()
AUTHORITY = trustme.CA()
CA_PEM = AUTHORITY.cert_pem.bytes().decode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server


@pytest.fixture
def tls_collector() -> Iterator[Collector]:
    issued = AUTHORITY.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    with Collector(credentials=grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])) as server:
        yield server


@contextlib.asynccontextmanager
async def sender(endpoint: str, **egress: object) -> AsyncIterator[GrpcSender]:
    pools = Pools()
    settings = Egress.model_validate({"allow_loopback": True} | egress)
    made = GrpcSender(Destination(name="x", endpoint=endpoint, protocol="GRPC"), {}, Outbound(settings, pools))
    try:
        yield made
    finally:
        await made.close()
        pools.close()


async def send(made: GrpcSender) -> None:
    async with asyncio.timeout(20):
        await made.send(Batch("Metrics", BODY, PROTOBUF, None, 0.0))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_over_tls_with_the_companys_authority(tls_collector: Collector, host: str) -> None:
    async with sender(f"https://{host}:{tls_collector.grpc_port}", ca_pem=CA_PEM) as made:
        for _ in range(4):
            # `localhost` may lead to ::1 first, where nobody listens.
            with contextlib.suppress(LaterError):
                await send(made)
                break
    assert tls_collector.first("metrics").raw == BODY


async def test_a_certificate_of_nobody_known_is_refused(tls_collector: Collector) -> None:
    async with sender(f"https://127.0.0.1:{tls_collector.grpc_port}") as made:
        with pytest.raises(LaterError):
            await send(made)
    assert tls_collector.received == []


async def test_through_a_forward_proxy(tls_collector: Collector) -> None:
    connects: list[bytes] = []
    tasks: list[asyncio.Task[None] | None] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        connects.append(await reader.readuntil(b"\r\n\r\n"))
        there, out = await asyncio.open_connection("127.0.0.1", tls_collector.grpc_port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, out), pump(there, writer))

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    proxy_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    endpoint = f"https://localhost:{tls_collector.grpc_port}"
    async with server, sender(endpoint, ca_pem=CA_PEM, proxy_url=proxy_url) as made:
        await send(made)
    await asyncio.wait_for(asyncio.gather(*filter(None, tasks)), 10)
    assert connects[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % tls_collector.grpc_port)
    assert tls_collector.first("metrics").raw == BODY


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def test_an_address_that_is_refused_gets_nothing(collector: Collector) -> None:
    async with sender(collector.grpc_url, allow_loopback=False) as made:
        with pytest.raises(LaterError, match="loopback"):
            await send(made)
    async with sender("http://169.254.169.254:4317", proxy_url="http://127.0.0.1:9") as made:
        with pytest.raises(LaterError, match="169"):
            await send(made)
    assert collector.received == []


async def test_the_other_family_is_tried_next(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]

    async def look_up(*_: object, **__: object) -> list[object]:
        return list(found)

    monkeypatch.setattr("gateway_proxy.telemetry.relay.grpc_sender.resolve", look_up)
    async with sender(f"http://collector.test:{collector.grpc_port}") as made:
        with pytest.raises(LaterError, match="UNAVAILABLE"):
            await send(made)
        await send(made)
    assert collector.first("metrics").raw == BODY


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT])
async def test_some_answers_are_final(collector: Collector, code: grpc.StatusCode) -> None:
    collector.refusal = lambda export: code
    async with sender(collector.grpc_url) as made:
        with pytest.raises(RefusedError, match=code.name):
            await send(made)


async def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    async with sender("http://nowhere.invalid:4317") as made:
        with pytest.raises(LaterError, match=r"no address of nowhere\.invalid"):
            await send(made)
