"""An HTTP proxy in front of the API server that answers in its place on a bad day: refusals, broken bodies, 410 in the
middle of a watch.

    with storm_before(api_server, folder=tmp_path) as storm:
        storm.weather = lambda asked: REFUSED if asked.method == "PATCH" and storm.chance(0.3) else None
        ... running_operator(api_server, options={"kubeconfig": storm.kubeconfig}) ...

It runs in a thread of its own; its methods may be called from any other.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web
from tests.cluster.api_server import ApiServer

_RETURNED: Final = ("Content-Type", "Retry-After")
_LONGEST_LINE: Final = 8 * 1024 * 1024
_PASSED: Final = ("Authorization", "Accept", "Content-Type", "User-Agent")
_TURNS: Final = 10
_LINE: Final = b"\n"


class Asked(NamedTuple):
    """One request. `resource` is a plural, with `/status` and the like behind it."""

    method: str
    resource: str
    namespace: str
    name: str
    watch: bool

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and not self.name and not self.watch and bool(self.resource)


@dataclass(frozen=True)
class Spoiled:
    """What is said in place of the API server."""

    status: int
    body: bytes
    retry_after: int | None = None


def refusal(status: int, reason: str, *, retry_after: int | None = None) -> Spoiled:
    """In the API server's own words."""
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
    return Spoiled(status, json.dumps({**said, "message": f"made up: {reason}"}).encode(), retry_after)


CONFLICT: Final = refusal(409, "Conflict")
EXPIRED: Final = refusal(410, "Expired")
TOO_MANY: Final = refusal(429, "TooManyRequests", retry_after=1)
BROKEN: Final = refusal(500, "InternalError")

Weather = Callable[[Asked], Spoiled | None]


@contextmanager
def storm_before(server: ApiServer, *, folder: Path, seed: int = 4) -> Iterator[Storm]:
    """Fine weather until told otherwise."""
    storm = Storm(server, folder, seed)
    try:
        yield storm
    finally:
        storm.close()


class Storm:
    """`kubeconfig` leads through it."""

    def __init__(self, server: ApiServer, folder: Path, seed: int) -> None:
        self.weather: Weather = lambda _: None
        self.seen: list[tuple[Asked, int]] = []
        """Every request with the status of its answer; a watch from when it began."""
        self._random = random.Random(seed)
        self._target = server.url
        self._tls = ssl.create_default_context(cafile=str(server.certificate))
        self._watches: dict[web.StreamResponse, web.Request] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._session: aiohttp.ClientSession
        self._runner: web.AppRunner
        port = self._call(self._start())
        self.kubeconfig = folder / "kubeconfig-of-the-storm"
        self.kubeconfig.write_text(
            server.operator_kubeconfig.read_text().replace(server.url, f"http://127.0.0.1:{port}")
        )
        self.kubeconfig.chmod(0o600)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def expire_watches(self) -> int:
        """Every watch is told, in the middle of its stream, that its resource version is too old. How many."""
        return self._call(self._expire())

    def cut_watches(self) -> int:
        """The connection of every watch is reset, in the middle of a line. How many."""
        return self._call(self._cut())

    def counted(self) -> Counter[str]:
        """How often each kind of request was made: `GET secrets`, `WATCH pods`."""
        return Counter(f"{'WATCH' if asked.watch else asked.method} {asked.resource}" for asked, _ in self.seen)

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=15)

    async def _start(self) -> int:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=_LONGEST_LINE,
        )
        self._runner = web.AppRunner(_application(self._pass), handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def _end(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._session.close()
        for _ in range(_TURNS):
            await asyncio.sleep(0)  # for the transports to be told

    async def _expire(self) -> int:
        watches = dict(self._watches)
        event = json.dumps({"type": "ERROR", "object": json.loads(EXPIRED.body)}).encode() + _LINE
        for response, request in watches.items():
            with suppress(ConnectionError):
                await response.write(event)
                await response.write_eof()
            _abort(request)
        return len(watches)

    async def _cut(self) -> int:
        watches = dict(self._watches)
        for response, request in watches.items():
            with suppress(ConnectionError):
                await response.write(b'{"type":"MODIFIED","obj')
            _abort(request)
        return len(watches)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = _asked(request)
        spoiled = self.weather(asked)
        if spoiled is not None:
            self.seen.append((asked, spoiled.status))
            headers = {} if spoiled.retry_after is None else {"Retry-After": str(spoiled.retry_after)}
            return web.Response(
                status=spoiled.status, body=spoiled.body, content_type="application/json", headers=headers
            )
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        async with self._session.request(
            request.method, self._target + request.raw_path, data=body or None, headers=headers
        ) as answer:
            self.seen.append((asked, answer.status))
            if asked.watch and answer.status == 200:
                return await self._stream(request, answer)
            passed = {name: answer.headers[name] for name in _RETURNED if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches[response] = request
        try:
            with suppress(ConnectionError, aiohttp.ClientError):
                async for line in answer.content:
                    await response.write(line)
        finally:
            del self._watches[response]
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()  # to end TLS in order would outlast the loop
        return response


def _application(handler: Callable[[web.Request], Any]) -> web.Application:
    app = web.Application(client_max_size=_LONGEST_LINE)
    app.router.add_route("*", "/{path:.*}", handler)
    return app


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _asked(request: web.Request) -> Asked:
    """/api/v1/… or /apis/GROUP/VERSION/… , and of a namespace or not."""
    parts = request.path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    resource, name = [*parts, "", ""][:2]
    if len(parts) > 2:
        resource += f"/{parts[2]}"
    return Asked(request.method, resource, namespace, name, request.query.get("watch") in ("true", "1"))
