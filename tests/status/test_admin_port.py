"""Asking a pod: what it says, and everything that can go wrong, as values."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway_operator.reconcile.admin_port import AdminPort, Answer

REVISION = "sha256:" + "1" * 64
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
CANARY = "canary-of-the-admin-token"


@asynccontextmanager
async def pod(handler: Handler, *, host: str = "127.0.0.1") -> AsyncIterator[tuple[AdminPort, str]]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    port = runner.addresses[0][1]
    client = AdminPort(port=port, timeout=0.5)
    try:
        yield client, host
    finally:
        await client.close()
        await runner.cleanup()


def answering(document: Any, *, status: int = 200, seen: list[str] | None = None) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        if seen is not None:
            seen.append(request.headers.get("Authorization", ""))
        return web.json_response(document, status=status, headers={"Location": "http://127.0.0.1:1/status"})

    return handler


async def asked(handler: Handler, *, host: str = "127.0.0.1") -> Answer:
    async with pod(handler, host=host) as (client, ip):
        return await client.ask(ip, token=CANARY)


async def test_what_is_loaded() -> None:
    seen: list[str] = []
    answer = await asked(answering({"sequence": 7, "revision": REVISION, "last_error": None}, seen=seen))
    assert answer == Answer(answered=True, reached=True, sequence=7, revision=REVISION)
    assert seen == [f"Bearer {CANARY}"]


async def test_a_pod_that_has_loaded_nothing_yet() -> None:
    error = {"reason": "ConfigMissing", "message": "no index.json", "at": "2026-11-23T10:00:00Z"}
    answer = await asked(answering({"sequence": None, "revision": None, "last_error": error}))
    assert answer == Answer(answered=True, reached=True, error="ConfigMissing: no index.json")


async def test_an_address_of_version_six() -> None:
    answer = await asked(answering({"sequence": 7, "revision": REVISION}), host="::1")
    assert answer.sequence == 7


async def test_no_proxy_of_the_environment_sees_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await asked(answering({"sequence": 7, "revision": REVISION}))).answered


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        pytest.param(answering({}, status=401), "it refuses the operator's token", id="token"),
        pytest.param(answering({}, status=503), "its admin port answers 503", id="503"),
        pytest.param(answering({}, status=302), "its admin port answers 302", id="redirect"),
        pytest.param(answering([]), "its admin port answers with something else than a status", id="no status"),
    ],
)
async def test_an_answer_that_is_no_status(handler: Handler, error: str) -> None:
    assert await asked(handler) == Answer(answered=False, reached=True, error=error)


@pytest.mark.parametrize("sequence", ["7", True, 7.5, None, {}])
async def test_a_number_that_is_none_counts_as_nothing_loaded(sequence: Any) -> None:
    answer = await asked(answering({"sequence": sequence, "revision": "<script>"}))
    assert (answer.answered, answer.sequence, answer.revision) == (True, None, None)


async def test_an_error_text_is_one_bounded_printable_line() -> None:
    error = {"reason": "ConfigCorrupt", "message": "\x1b[31m\n" * 400}
    answer = await asked(answering({"sequence": 1, "revision": REVISION, "last_error": error}))
    assert answer.error.isprintable()
    assert len(answer.error) == 400


async def test_a_pod_that_hangs() -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    assert (await asked(handler)).error == "no answer within 0.5 s"


async def test_a_pod_that_never_ends_its_answer() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    answer = await asked(handler)
    assert (answer.answered, answer.error) == (False, "the connection was cut")


async def test_nobody_at_the_address() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = AdminPort(port=reserved.getsockname()[1])
        answer = await client.ask("127.0.0.1", token=CANARY)
        await client.close()
    assert (answer.answered, answer.reached) == (False, False)
    assert answer.error == "not connected: Connection refused"


async def test_no_answer_holds_the_token() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500, text=request.headers["Authorization"])

    assert CANARY not in repr(await asked(handler))
