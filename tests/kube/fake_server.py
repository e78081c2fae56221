"""A server that says to the operator's client what a real API server says only on a bad day."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeServer:
    """Answers come in turn; the last one stays. `seen` holds the path and query of every request."""

    answers: list[Answer]
    url: str = ""
    seen: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def fake_server(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeServer]:
    fake = FakeServer(list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    server = TestServer(app, shutdown_timeout=0)
    await server.start_server(ssl=tls)
    try:
        fake.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
        yield fake
    finally:
        await server.close()


def says(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(status=status, body=raw, content_type="application/json", headers=headers)

    return answer


def refuses(status: int, reason: str = "", *, retry_after: int | None = None, name: str = "") -> Answer:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return says(refusal_body(status, reason, name=name), status=status, headers=headers)


def refusal_body(status: int, reason: str, *, name: str = "") -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"made up: {reason}",
        "reason": reason,
        "code": status,
        "details": {"name": name},
    }


def says_page(text: str, *, status: int = 200) -> Answer:
    """What a proxy in between answers."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type="text/html")

    return answer


def breaks_off(body: bytes, *, announced: int) -> Answer:
    """The body ends before its announced length."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(announced), "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(body)
        assert request.transport
        request.transport.close()
        return response

    return answer


def hangs_up() -> Answer:
    """The connection ends without an answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    return answer


def streams(*lines: Any, end: Callable[[], Awaitable[Any]] | None = None, tail: bytes = b"") -> Answer:
    """Watch events, a line each, then `tail`; the stream ends once `end` does."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in lines:
            await response.write(orjson.dumps(line) + b"\n")
        await response.write(tail) if tail else None
        if end:
            await end()
        return response

    return answer


def event(event_type: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": event_type, "object": item}


def config_map(name: str, version: int, *, uid: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "n", "uid": uid or f"uid-{name}", "resourceVersion": str(version)},
    }


def config_maps(version: int, items: Sequence[dict[str, Any]] | None, *, more: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMapList",
        "metadata": {"resourceVersion": str(version), "continue": more},
        "items": None if items is None else list(items),
    }
