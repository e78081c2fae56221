"""Requests of the gateway's own, against real servers."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme
from aiohttp import web

from gateway_config.contract import Egress
from gateway_proxy.outbound import client
from gateway_proxy.outbound.client import Answer, Outbound, OutboundError
from gateway_proxy.upstream.pool import Pools
from gateway_proxy.version import VERSION

CANARY = "canary-9f31"
LOOPBACK = Egress(allow_loopback=True)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Site:
    """A server; what it was asked is in `seen`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.connections: set[object] = set()
        self.port = 0
        self.url = ""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.connections.add(request.transport)
        self.bodies.append(await request.read())
        return await self._handler(request)

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Site"]:
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            self.port = runner.addresses[0][1]
            self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
            yield self
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def outbound(egress: Egress = LOOPBACK) -> AsyncIterator[Outbound]:
    pools = Pools()
    try:
        yield Outbound(egress, pools)
    finally:
        pools.close()
        await asyncio.sleep(0.01)


async def say_ok(request: web.Request) -> web.Response:
    return web.Response(text="ok", headers={"x-one": "1"})


def failures(made: Outbound) -> dict[str, int]:
    return dict(made._all.outbound_failures)


async def test_a_get() -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        answer = await made.request("GET", f"{site.url}/keys?a=b%20c#part", headers={"Accept": "application/json"})
        assert (answer.status, answer.body, answer.headers["x-one"]) == (200, b"ok", "1")
        seen = site.seen[0]
        assert (seen.method, seen.raw_path) == ("GET", "/keys?a=b%20c")
        assert seen.headers["host"] == f"127.0.0.1:{site.port}"
        assert seen.headers["user-agent"] == f"claude-gateway/{VERSION}"
        assert seen.headers["accept"] == "application/json"
        assert seen.headers["accept-encoding"] == "identity"
        assert "content-length" not in seen.headers
        assert failures(made) == {}


async def test_a_post() -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        await made.request("POST", site.url, headers={"content-type": "text/plain"}, body=b"some text")
        await made.request("POST", site.url)
        assert site.bodies == [b"some text", b""]
        assert [one.headers["content-length"] for one in site.seen] == ["9", "0"]
        assert [one.path for one in site.seen] == ["/", "/"]


async def test_every_status_is_an_answer() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": "invalid_grant"}, status=400)

    async with Site(refuse).running() as site, outbound() as made:
        answer = await made.request("POST", site.url, body=b"{}")
        assert (answer.status, answer.body) == (400, b'{"error": "invalid_grant"}')
        assert CANARY not in repr(Answer(200, {"set-cookie": CANARY}, CANARY.encode()))


async def test_certificates_of_the_egress_and_of_a_request(authority: trustme.CA) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = authority.cert_pem.bytes().decode()
    async with Site(say_ok).running(context) as site:
        async with outbound(Egress(allow_loopback=True, ca_pem=pem)) as made:
            assert (await made.request("GET", site.url)).status == 200
        async with outbound() as made:
            assert (await made.request("GET", site.url, ca_pem=pem)).status == 200
            with pytest.raises(OutboundError, match="the certificate is not trusted") as caught:
                await made.request("GET", site.url)
            assert caught.value.reason == "Connect"
            with pytest.raises(OutboundError, match="CA certificates") as caught:
                await made.request("GET", site.url, ca_pem="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----")
            assert caught.value.reason == "Unusable"
            assert failures(made) == {"Connect": 1, "Unusable": 1}


async def test_the_forward_proxy_and_the_way_past_it() -> None:
    async with Site(say_ok).running() as proxy, Site(say_ok).running() as site:
        egress = Egress(allow_loopback=True, proxy_url=f"http://us:{CANARY}@127.0.0.1:{proxy.port}")
        async with outbound(egress) as made:
            assert (await made.request("GET", "http://idp.corp.example:8000/x")).status == 200
            assert proxy.seen[0].raw_path == "http://idp.corp.example:8000/x"
            secret = base64.b64encode(f"us:{CANARY}".encode()).decode()
            assert proxy.seen[0].headers["proxy-authorization"] == f"Basic {secret}"
            assert (await made.request("GET", site.url, use_proxy=False)).status == 200
            assert "proxy-authorization" not in site.seen[0].headers
            assert len(proxy.seen) == 1


async def test_a_refused_address() -> None:
    async with Site(say_ok).running() as site, outbound(Egress()) as made:
        with pytest.raises(OutboundError, match=r"127\.0\.0\.1 is a loopback address") as caught:
            await made.request("GET", f"{site.url}/{CANARY}", headers={"authorization": CANARY})
        assert caught.value.reason == "AddressRefused"
        assert CANARY not in str(caught.value)
        assert (site.seen, failures(made)) == ([], {"AddressRefused": 1})


async def test_an_answer_that_is_too_long_is_not_read() -> None:
    async def announced(request: web.Request) -> web.Response:
        return web.Response(body=bytes(5000))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(bytes(10_000))
        return response

    for handler in (announced, endless):
        async with Site(handler).running() as site, outbound() as made:
            with pytest.raises(OutboundError, match="longer than 4000 bytes") as caught:
                await made.request("GET", site.url, max_bytes=4000)
            assert caught.value.reason == "TooLarge"
            assert failures(made) == {"TooLarge": 1}


async def test_an_answer_longer_than_the_buffer_of_a_connection_is_read_whole() -> None:
    async def large(request: web.Request) -> web.Response:
        return web.Response(body=bytes(900_000))

    async with Site(large).running() as site, outbound() as made:
        assert len((await made.request("GET", site.url)).body) == 900_000


async def test_the_time_bounds_the_whole() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        return response

    async with Site(trickle).running() as site, outbound() as made:
        with pytest.raises(OutboundError, match=f"no answer from 127.0.0.1:{site.port} within 0.2 s") as caught:
            await made.request("GET", site.url, seconds=0.2)
        assert (caught.value.reason, failures(made)) == ("Timeout", {"Timeout": 1})


async def test_nobody_listens() -> None:
    async with Site(say_ok).running() as site:
        pass
    async with outbound() as made:
        with pytest.raises(OutboundError, match=f"no connection to 127.0.0.1:{site.port}"):
            await made.request("GET", site.url)


async def test_something_else_than_http_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, outbound() as made:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OutboundError, match=f"no answer from 127.0.0.1:{port}") as caught:
            await made.request("GET", f"http://127.0.0.1:{port}")
        assert caught.value.reason == "Protocol"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://idp.example/",
        "idp.example",
        f"https://user:{CANARY}@idp.example/",
        f"https://idp.example/\r\nx-{CANARY}: 1",
        "https://idp.example/a b",
        "https://idp.example:99999/",
        "https://idp.ex'ample/",
        "https://ïdp.example/",
        "https:///path",
    ],
)
async def test_a_url_that_cannot_be_asked(url: str) -> None:
    async with outbound() as made:
        with pytest.raises(OutboundError, match="the URL is not an absolute http or https one") as caught:
            await made.request("GET", url)
        assert caught.value.reason == "Unusable"
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-a", f"1\r\nx-b: {CANARY}"), (f"x-a: {CANARY}\r\nx-b", "1"), ("x-a", f"{CANARY}\N{SNOWMAN}"), ("host", "x")],
)
async def test_a_header_that_cannot_be_sent(name: str, value: str) -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        with pytest.raises(OutboundError, match="cannot stand in a request") as caught:
            await made.request("GET", site.url, headers={name: value})
        assert CANARY not in str(caught.value) or CANARY in name
        assert site.seen == []


async def test_a_method_that_is_not_made_use_of() -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        for method in ("CONNECT", "HEAD", "GET / HTTP/1.1\r\nx: y\r\n"):
            with pytest.raises(OutboundError, match="is not a method"):
                await made.request(method, site.url)


async def test_connections_are_kept_for_what_may_be_repeated_only() -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        for _ in range(3):
            await made.request("GET", site.url)
        assert len(site.connections) == 1
        await made.request("POST", site.url, body=b"a code that is good once")
        await made.request("POST", site.url, body=b"a code that is good once")
        assert len(site.connections) == 3
        await made.request("POST", site.url, body=b"metrics", repeatable=True)
        assert len(site.connections) == 3


async def test_a_reload_keeps_the_connections_in_use_and_closes_the_others() -> None:
    async with Site(say_ok).running() as site, outbound() as made:
        await made.request("GET", site.url)
        made._all.retain(made.pools)
        await made.request("GET", site.url)
        assert len(site.connections) == 1
        made._all.retain([])
        assert [pool.idle_count for pool in made.pools] == [0]


async def test_a_request_that_may_not_be_repeated_is_sent_once() -> None:
    """Not even where the connection breaks before the answer's first byte."""

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with Site(hang_up).running() as site, outbound() as made:
        with pytest.raises(OutboundError) as caught:
            await made.request("POST", site.url, body=b"code")
        assert (caught.value.reason, len(site.seen)) == ("BrokenConnection", 1)


async def test_many_hosts_leave_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ROUTES", 2)
    async with contextlib.AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(Site(say_ok).running()) for _ in range(4)]
        made = await stack.enter_async_context(outbound())
        for site in sites:
            await made.request("GET", site.url)
        assert [pool.route.origin.port for pool in made.pools] == [site.port for site in sites[2:]]
        assert len(made._all._pools) == 2


# --- redirects ---


def to(location: str, status: int = 302) -> Handler:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": location})

    return redirect


async def test_redirects_are_answers_unless_they_are_to_be_followed() -> None:
    async with Site(say_ok).running() as site, Site(to(f"{site.url}/there")).running() as first, outbound() as made:
        assert (await made.request("GET", first.url)).status == 302
        assert (await made.request("POST", first.url, body=b"", follow_redirects=True)).status == 302
        assert site.seen == []
        assert (await made.request("GET", first.url, follow_redirects=True)).body == b"ok"
        assert site.seen[0].path == "/there"


async def test_a_credential_does_not_go_to_another_origin() -> None:
    async with Site(say_ok).running() as site, Site(to(site.url, 307)).running() as first, outbound() as made:
        headers = {"Authorization": f"Bearer {CANARY}", "Accept": "application/json"}
        await made.request("GET", first.url, headers=headers, follow_redirects=True)
        assert first.seen[0].headers["authorization"] == f"Bearer {CANARY}"
        assert "authorization" not in site.seen[0].headers
        assert site.seen[0].headers["accept"] == "application/json"


async def test_a_redirect_within_an_origin_keeps_the_credential() -> None:
    async def once(request: web.Request) -> web.Response:
        if request.path == "/first":
            return web.Response(status=301, headers={"location": "/second?x=1"})
        return web.Response(text=request.headers["authorization"])

    async with Site(once).running() as site, outbound() as made:
        answer = await made.request(
            "GET", f"{site.url}/first", headers={"authorization": CANARY}, follow_redirects=True
        )
        assert answer.body == CANARY.encode()


async def test_a_redirect_goes_through_the_guard() -> None:
    async with Site(to("http://169.254.169.254/latest/meta-data")).running() as site, outbound() as made:
        with pytest.raises(OutboundError, match=r"169\.254\.169\.254 is the metadata service of a cloud") as caught:
            await made.request("GET", site.url, follow_redirects=True)
        assert caught.value.reason == "AddressRefused"


@pytest.mark.parametrize("location", ["ftp://elsewhere/", "//user@elsewhere/", "http://[", "http://a\tb/"])
async def test_a_redirect_that_leads_nowhere(location: str) -> None:
    async with Site(to(location)).running() as site, outbound() as made:
        with pytest.raises(OutboundError):
            await made.request("GET", site.url, follow_redirects=True)


async def test_a_circle_of_redirects_ends() -> None:
    async with Site(to("/again")).running() as site, outbound() as made:
        with pytest.raises(OutboundError, match="redirects too often") as caught:
            await made.request("GET", site.url, follow_redirects=True)
        assert (caught.value.reason, len(site.seen)) == ("Redirect", client.MAX_REDIRECTS + 1)


async def test_a_redirect_never_leaves_tls(authority: trustme.CA) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with Site(say_ok).running() as plain, Site(to(plain.url)).running(context) as site:
        async with outbound(Egress(allow_loopback=True, ca_pem=authority.cert_pem.bytes().decode())) as made:
            with pytest.raises(OutboundError, match="redirects to plain http"):
                await made.request("GET", site.url, follow_redirects=True)
        assert plain.seen == []
