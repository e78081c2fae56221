"""The built-in demo upstream: a server that speaks the Messages API and says in every answer that it is a demo.

It lets the whole way from client to provider be tried without an account. It runs inside `claude-gateway up --demo`
on a free loopback port and takes only the credential that `up` made for it.
"""

import asyncio
import contextlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Collection
from typing import Any

from aiohttp import web

from gateway_operator.local.demo_answers import Answer, RefusedError, answer, checked, input_tokens, pieces

REQUEST_ID = web.RequestKey("request_id", str)
MAX_REQUEST_BYTES = 64 * 1024 * 1024
SECONDS_PER_WORD = 0.02
"""So that a person sees the answer stream, and a test does not wait."""


class DemoUpstream:
    """Serves until its context ends."""

    def __init__(self, *, seconds_per_word: float = SECONDS_PER_WORD, credential: str = "") -> None:
        self.credential = credential or f"demo-{secrets.token_urlsafe(24)}"
        self.models: Collection[str] = ()
        """The model ids that it knows; replaced whenever the configuration changes."""
        self.url = ""
        self._seconds_per_word = seconds_per_word

    @contextlib.asynccontextmanager
    async def serving(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["DemoUpstream"]:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[self._guard])
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        request_id = f"req_demo_{secrets.token_hex(8)}"
        request[REQUEST_ID] = request_id
        try:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            sent = request.headers.get("x-api-key", bearer)
            if not hmac.compare_digest(sent.encode(), self.credential.encode()):
                raise RefusedError("invalid x-api-key", status=401, kind="authentication_error")
            response: web.StreamResponse = await handler(request)
        except RefusedError as error:
            return _error(error.status, error.kind, str(error), request_id)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, "request_too_large", "Request exceeds the maximum size", request_id)
        except web.HTTPException as error:
            return _error(error.status, "not_found_error", "Not found", request_id)
        return response

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        wanted = self._known(checked(await request.read()))
        return web.json_response({"input_tokens": input_tokens(wanted)}, headers=_headers(request))

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        wanted = self._known(checked(await request.read()))
        reply = answer(wanted)
        if wanted.get("stream") is True:
            return await self._stream(request, reply)
        return web.json_response(reply.message(), headers=_headers(request))

    def _known(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["model"] not in self.models:
            raise RefusedError(f"model: {wanted['model']}", status=404, kind="not_found_error")
        return wanted

    async def _stream(self, request: web.Request, reply: Answer) -> web.StreamResponse:
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        response = web.StreamResponse(headers=headers | _headers(request))
        with contextlib.suppress(ConnectionResetError):
            await response.prepare(request)
            for event in _events(reply):
                if "delta" in event and event["type"] == "content_block_delta":
                    await asyncio.sleep(self._seconds_per_word)
                await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await response.write_eof()
        return response


def _events(reply: Answer) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": reply.envelope()}, {"type": "ping"}]
    for index, block in enumerate(reply.content):
        empty, deltas = _deltas(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": reply.usage()})
    events.append({"type": "message_stop"})
    return events


def _deltas(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and what is then added to it."""
    if block["type"] == "text":
        return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return block | {"thinking": "", "signature": ""}, [*thoughts, signature]
    written = json.dumps(block["input"])
    parts = [written[start : start + 12] for start in range(0, len(written), 12)]
    return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in ["", *parts]]


def _headers(request: web.Request) -> dict[str, str]:
    return {"request-id": request[REQUEST_ID]}


def _error(status: int, kind: str, message: str, request_id: str) -> web.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return web.json_response(body, status=status, headers={"request-id": request_id})
