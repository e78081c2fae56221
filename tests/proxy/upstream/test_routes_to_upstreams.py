"""TLS, forward proxies and the exceptions from them, on both event loops."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
import uvloop

from gateway_config.contract import Egress, Timeouts
from gateway_proxy.upstream.errors import ConnectError
from gateway_proxy.upstream.pool import Pool, Pools
from gateway_proxy.upstream.route import ForwardProxy, Origin, reached_directly, tls_context

TIMEOUTS = Timeouts(connect_seconds=5, first_byte_seconds=5, idle_seconds=5)
REQUEST = b"POST %b/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
LOOPS = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "upstream.test")
    issued.private_key_pem.write_to_path(key)
    for block in (*issued.cert_chain_pems, authority.cert_pem):
        block.write_to_path(certificate, append=True)
    return key, certificate


class Origins:
    """An upstream, with TLS or without, and a forward proxy that leads every CONNECT to it."""

    def __init__(self, certificate: tuple[Path, Path] | None) -> None:
        self._context = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(certificate[1], certificate[0])
        self.port = self.proxy_port = 0
        self.heads: list[bytes] = []
        self.connects: list[bytes] = []
        self.refuse_with = b""
        self._tasks: list[asyncio.Task[None] | None] = []

    async def _upstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(2)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                await writer.drain()
        writer.transport.abort()

    async def _proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.connects.append(await reader.readuntil(b"\r\n\r\n"))
            if self.refuse_with:
                writer.write(self.refuse_with)
                await reader.read()
            else:
                there, out = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(_pump(reader, out), _pump(there, writer))
        writer.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Origins"]:
        upstream = await asyncio.start_server(self._upstream, "127.0.0.1", 0, ssl=self._context)
        proxy = await asyncio.start_server(self._proxy, "127.0.0.1", 0)
        self.port = upstream.sockets[0].getsockname()[1]
        self.proxy_port = proxy.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            upstream.close()
            proxy.close()
            await asyncio.wait_for(asyncio.gather(*filter(None, self._tasks), return_exceptions=True), 5)
            await asyncio.sleep(0.01)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def ask(pool: Pool) -> bytes | None:
    request = REQUEST % pool.route.absolute_form.encode()
    exchange = await pool.exchange(request, b"{}", timeouts=TIMEOUTS)
    return await exchange.read(100)


@contextlib.asynccontextmanager
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    try:
        yield made
    finally:
        made.close()
        await asyncio.sleep(0.01)


def run(loop_factory: LoopFactory, test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(bounded())


@LOOPS
def test_an_extra_certificate_is_trusted(loop_factory: LoopFactory, certificate: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with Origins(certificate).running() as there, pools() as made:
            pool = made.pool(
                f"https://127.0.0.1:{there.port}", Egress(allow_loopback=True, ca_pem=certificate[1].read_text())
            )
            assert await ask(pool) == b"ok"
            assert await ask(pool) == b"ok"
            assert pool.idle_count == 1

    run(loop_factory, test)


@LOOPS
def test_an_unknown_certificate_is_not(loop_factory: LoopFactory, certificate: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with Origins(certificate).running() as there, pools() as made:
            with pytest.raises(ConnectError, match="the certificate is not trusted"):
                await ask(made.pool(f"https://127.0.0.1:{there.port}", Egress(allow_loopback=True)))

    run(loop_factory, test)


@LOOPS
def test_a_certificate_for_another_name_is_not_trusted(
    loop_factory: LoopFactory, certificate: tuple[Path, Path]
) -> None:
    async def test() -> None:
        async with Origins(certificate).running() as there, pools() as made:
            with pytest.raises(ConnectError, match="the certificate is not trusted"):
                await ask(
                    made.pool(
                        f"https://localhost:{there.port}",
                        Egress(allow_loopback=True, ca_pem=certificate[1].read_text()),
                    )
                )

    run(loop_factory, test)


@LOOPS
def test_tls_runs_inside_the_proxys_tunnel(loop_factory: LoopFactory, certificate: tuple[Path, Path]) -> None:
    async def test() -> None:
        async with Origins(certificate).running() as there, pools() as made:
            egress = Egress(
                allow_loopback=True,
                proxy_url=f"http://us%40er:pa%3Ass@127.0.0.1:{there.proxy_port}",
                ca_pem=certificate[1].read_text(),
            )
            pool = made.pool("https://upstream.test", egress)
            assert await ask(pool) == b"ok"
            assert await ask(pool) == b"ok"
            assert len(there.connects) == 1
            assert there.connects[0].startswith(b"CONNECT upstream.test:443 HTTP/1.1\r\nHost: upstream.test:443\r\n")
            assert b"Proxy-Authorization: Basic dXNAZXI6cGE6c3M=\r\n" in there.connects[0]
            assert there.heads[0].startswith(b"POST /v1/messages HTTP/1.1\r\n")
            assert "pa" not in repr(pool.route.proxy).replace("proxy", "")

    run(loop_factory, test)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "answered CONNECT with 407"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x15\x03", "sent data before the tunnel was used"),
        (b"SSH-2.0\r\n\r\n", "answer is malformed"),
    ],
)
async def test_a_tunnel_that_does_not_open(answer: bytes, why: str) -> None:
    async with Origins(None).running() as there, pools() as made:
        there.refuse_with = answer
        egress = Egress(allow_loopback=True, proxy_url=f"http://user:canary@127.0.0.1:{there.proxy_port}")
        with pytest.raises(ConnectError, match=why) as caught:
            await ask(made.pool("https://upstream.test", egress))
        assert "canary" not in str(caught.value)


async def test_plain_http_through_a_proxy_names_the_origin() -> None:
    async with Origins(None).running() as there, pools() as made:
        # The stand-in upstream takes the proxy's place: it sees what a proxy would.
        pool = made.pool(
            "http://upstream.test:8000", Egress(allow_loopback=True, proxy_url=f"http://127.0.0.1:{there.port}")
        )
        assert await ask(pool) == b"ok"
        assert there.heads[0].startswith(b"POST http://upstream.test:8000/v1/messages HTTP/1.1\r\n")


async def test_a_host_in_no_proxy_is_reached_directly() -> None:
    async with Origins(None).running() as there, pools() as made:
        egress = Egress(
            allow_loopback=True, proxy_url=f"http://127.0.0.1:{there.proxy_port}", no_proxy=("127.0.0.0/8",)
        )
        assert await ask(made.pool(f"http://127.0.0.1:{there.port}", egress)) == b"ok"
        assert there.connects == []


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("api.anthropic.com", ["api.anthropic.com"], True),
        ("API.Anthropic.com", ["api.anthropic.com"], True),
        ("api.anthropic.com", ["anthropic.com"], False),
        ("api.anthropic.com", [".anthropic.com"], True),
        ("anthropic.com", [".anthropic.com"], False),
        ("evilanthropic.com", [".anthropic.com"], False),
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("11.1.2.3", ["10.0.0.0/8"], False),
        ("10.1.2.3", ["10.1.2.3"], True),
        ("fd00::1", ["fd00::/8"], True),
        ("10.1.2.3", ["fd00::/8", "nonsense", ".2.3"], False),
        ("anything", ["*"], True),
        ("anything", [], False),
    ],
)
def test_what_no_proxy_names(host: str, no_proxy: list[str], direct: bool) -> None:
    assert reached_directly(host, no_proxy) is direct


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://api.anthropic.com", "api.anthropic.com"),
        ("https://api.anthropic.com:443/prefix", "api.anthropic.com"),
        ("http://api.anthropic.com:8443", "api.anthropic.com:8443"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_what_the_host_header_says(url: str, authority: str) -> None:
    assert Origin.of(url).authority == authority


@pytest.mark.parametrize("url", ["ftp://x", "x", "https://", "/path"])
def test_an_origin_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="not an absolute"):
        Origin.of(url)


def test_a_proxy_url_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="forward proxy") as caught:
        ForwardProxy.of("socks5://user:canary@host")
    assert "canary" not in str(caught.value)


def test_a_broken_certificate_is_refused() -> None:
    with pytest.raises(ssl.SSLError):
        tls_context("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")


async def test_a_pool_outlives_its_configuration() -> None:
    async with pools() as made:
        first = made.pool("https://api.anthropic.com", Egress())
        assert made.pool("https://api.anthropic.com/prefix", Egress()) is first
        assert made.pool("https://api.anthropic.com", Egress(proxy_url="http://127.0.0.1:1")) is not first
        made.retain([first])
        assert made.pool("https://api.anthropic.com", Egress()) is first
