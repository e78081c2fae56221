"""How clouds' libraries run: beside the event loop, in bounded time, their requests the gateway's own."""

import asyncio
import threading
import time

import pytest
from tests.standins.token_endpoints.server import Asked, Reply, Service, TokenServer

from gateway_config.contract import Egress
from gateway_proxy.credentials import library
from gateway_proxy.credentials.library import About, Web, fetched
from gateway_proxy.outbound.client import Outbound, OutboundError
from gateway_proxy.upstream.errors import CredentialError

ABOUT = About("the token of tests", {"": "look there"}, ("secret-canary",))


class Echo(Service):
    """Says what it is told to."""

    def __init__(self, *hosts: str) -> None:
        super().__init__()
        self.hosts = hosts

    def serves(self, host: str, path: str) -> bool:
        return host in self.hosts or path == "/metadata"

    def answer(self, asked: Asked) -> Reply:
        return 200, b"hello"


def ask(url: str):  # type: ignore[no-untyped-def]
    return lambda web: web.request("GET", url, headers={"Host": "other", "X-One": "1"}, body=None).body


async def failure(work, outbound: Outbound) -> str:  # type: ignore[no-untyped-def]
    with pytest.raises(CredentialError) as caught:
        await fetched(work, outbound=outbound, about=ABOUT)
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_requests_go_by_the_forward_proxy_with_the_extra_certificates(
    tokens: TokenServer, outbound: Outbound
) -> None:
    echo = tokens.add(Echo("sts.example.com"))
    assert await fetched(ask("https://sts.example.com/x?y=1"), outbound=outbound, about=ABOUT) == b"hello"
    assert tokens.connects == ["sts.example.com:443"]
    (asked,) = echo.asked
    assert (asked.target, asked.host, asked.header("x-one")) == ("/x?y=1", "sts.example.com", "1")


async def test_metadata_services_are_reached_where_that_is_allowed_and_directly(
    tokens: TokenServer, outbound: Outbound
) -> None:
    tokens.add(Echo())
    url = f"{tokens.url}/metadata"
    direct = {tokens.url.removeprefix("http://")}
    assert await fetched(ask(url), outbound=Outbound(Egress(), outbound._all), about=ABOUT, direct=direct) == b"hello"
    said = await failure(ask(url), Outbound(Egress(), outbound._all))
    assert "127.0.0.1 is a loopback address" in said
    said = await failure(ask("http://169.254.169.254/latest/api/token"), outbound)
    assert said == (
        "the token of tests: no connection to 169.254.169.254: 169.254.169.254 is the metadata service of a cloud: a "
        "gateway never connects to one; name another host"
    )
    assert tokens.connects == []


async def test_a_library_that_never_returns_ends_the_fetch_and_not_the_loop(
    outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "FETCH_SECONDS", -0.9)
    hang = threading.Event()
    said = await failure(lambda web: hang.wait(30), outbound)
    assert said.startswith("the token of tests: no answer within")
    hang.set()


async def test_all_requests_of_a_fetch_share_its_time(
    tokens: TokenServer, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.add(Echo("sts.example.com"))
    web = Web(outbound, asyncio.get_running_loop(), direct=())
    web._deadline = time.monotonic() - 1
    with pytest.raises(OutboundError, match=r"no time was left to ask sts\.example\.com"):
        await asyncio.to_thread(web.request, "GET", "https://sts.example.com/", headers={}, body=None)


async def test_as_many_as_there_are_run_at_once(tokens: TokenServer, outbound: Outbound) -> None:
    """Each has a thread of its own: the event loop's few would wait for one another."""
    tokens.add(Echo("sts.example.com"))
    together = threading.Barrier(40)

    def work(web: Web) -> bytes:
        together.wait(20)
        return bytes(ask("https://sts.example.com/")(web))

    found = await asyncio.gather(*(fetched(work, outbound=outbound, about=ABOUT) for _ in range(40)))
    assert found == [b"hello"] * 40


async def test_what_a_library_raises_is_told_without_its_text(tokens: TokenServer, outbound: Outbound) -> None:
    echo = tokens.add(Echo("sts.example.com"))

    def fails(web: Web) -> None:
        ask("https://sts.example.com/")(web)
        raise KeyError("secret-canary")

    assert await failure(fails, outbound) == (
        "the token of tests: the library could make nothing of the answer of sts.example.com (KeyError): look there"
    )
    echo.fails = lambda asked: (403, {"error": "no", "error_description": "because of secret-canary"})
    assert await failure(fails, outbound) == (
        "the token of tests: sts.example.com says no (status 403, because of [masked]): look there"
    )
    assert "the library could make nothing (ZeroDivisionError)" in await failure(lambda web: 1 / 0, outbound)


def test_a_process_that_ends_meanwhile_has_no_trouble(tokens: TokenServer) -> None:
    go, done = threading.Event(), threading.Event()
    ended: list[BaseException] = []

    def work(web: Web) -> None:
        go.wait(20)
        try:
            ask("https://sts.example.com/")(web)
        except OutboundError as error:
            ended.append(error)
            raise
        finally:
            done.set()

    async def leave() -> None:
        from gateway_proxy.upstream.pool import Pools

        pools = Pools()
        task = asyncio.ensure_future(fetched(work, outbound=Outbound(tokens.egress, pools), about=ABOUT))
        await asyncio.sleep(0)
        task.cancel()
        pools.close()

    asyncio.run(leave())
    go.set()
    assert done.wait(20)
    assert [str(error) for error in ended] == ["the process is ending"]
