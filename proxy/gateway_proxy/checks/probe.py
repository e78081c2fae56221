"""One request of a check, and what came of it."""

import asyncio
import json
import socket
import ssl
import time
from typing import Final, Literal, NamedTuple

import msgspec

from gateway_proxy import errors
from gateway_proxy.checks import answers
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference import bad_answers
from gateway_proxy.messages import body as bodies
from gateway_proxy.messages import sse
from gateway_proxy.providers import Call, UpstreamClient
from gateway_proxy.upstream.decoding import StreamedError
from gateway_proxy.upstream.errors import ConnectError, UpstreamError
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.version import VERSION

Kind = Literal["Stream", "Message", "CountTokens"]
BODY_LIMIT: Final = 1024 * 1024
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"anthropic-version", b"2023-06-01"),
    (b"user-agent", b"claude-gateway-check/" + VERSION.encode()),
)
_NOBODY: Final = Principal(caller=None)
_MESSAGES: Final = [{"role": "user", "content": "Hi"}]


class Outcome(NamedTuple):
    """`status` 0: there was no answer, and `reason` says why in stable CamelCase."""

    status: int
    reason: str
    """Empty: all is well. A status alone is told as `Status`, an answer of another form as `NotAnAnswer`."""
    code: str
    message: str
    request_id: str
    milliseconds: float

    @property
    def good(self) -> bool:
        return not self.reason


async def probe(client: UpstreamClient, *, kind: Kind, model: str, seconds: float) -> Outcome:
    """Sends the smallest request of a kind for a model (canonical id), as a client's goes out. `message` is as the
    upstream has it: to be cleaned before anybody sees it."""
    begun = time.perf_counter()

    def ended(status: int, reason: str, said: answers.Said, request_id: str = "") -> Outcome:
        return Outcome(status, reason, said.code, said.message, request_id, (time.perf_counter() - begun) * 1000)

    call = _call(kind, model)
    try:
        async with asyncio.timeout(seconds):
            head, body = await _answer(client, call)
    except TimeoutError:
        return ended(0, "Timeout", answers.Said("", f"no whole answer within {seconds:g} s"))
    except StreamedError as error:
        return ended(error.head.status, "Status", answers.said(error.head, error.body), answers.request_id(error.head))
    except UpstreamError as error:
        proxied = client.pool.route.proxy is not None
        return ended(0, _reason(error, proxied=proxied), answers.Said("", str(error)))
    request_id = answers.request_id(head)
    if head.status != 200:
        return ended(head.status, "Status", answers.said(head, body), request_id)
    streamed = sse.error_in(sse.first_event(body)) if kind == "Stream" else None
    if streamed is not None:
        return ended(errors.status_of_envelope(streamed), "Status", answers.said(head, streamed), request_id)
    if not _is_answer(kind, body):
        content_type = (head.get(b"content-type") or b"nothing").decode("latin-1")
        message = f"status 200, but not what the Messages API answers with (content-type: {content_type})"
        return ended(200, "NotAnAnswer", answers.Said("", message), request_id)
    return ended(200, "", answers.Said("", ""), request_id)


def _call(kind: Kind, model: str) -> Call:
    counts = kind == "CountTokens"
    request: dict[str, object] = {"model": model, "messages": _MESSAGES}
    if not counts:
        request |= {"max_tokens": 1, "stream": kind == "Stream"}
    return Call(
        target=b"/v1/messages/count_tokens" if counts else b"/v1/messages",
        headers=_HEADERS,
        betas=(),
        members=bodies.scan(msgspec.json.encode(request)),
        principal=_NOBODY,
        model=model,
        canonical=model,
        stream=kind == "Stream",
        counts=counts,
        accept_encoding=None,
        request_id="check",
    )


async def _answer(client: UpstreamClient, call: Call) -> tuple[ResponseHead, bytes]:
    """Raises UpstreamError."""
    exchange = await client.send(call, client.models[call.canonical])
    try:
        body = await exchange.read(BODY_LIMIT)
        head = await exchange.response()
        if body is None:
            body = exchange.held()[:BODY_LIMIT]
    finally:
        # Of no consequence once the answer is whole.
        exchange.abort()
    if head.status == 200 and call.counts:
        return client.translated_count(head, body)
    return head, body


def _is_answer(kind: Kind, body: bytes) -> bool:
    if kind == "Stream":
        return b"event: message_start" in body
    if kind == "CountTokens":
        return bad_answers.is_count(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") == "message"


def _reason(error: UpstreamError, *, proxied: bool) -> str:
    """Finer than what metrics count: for a person who has to mend it. `proxied`: connections go to a forward proxy."""
    if type(error) is not ConnectError:
        return error.reason
    cause = error.__cause__
    if "forward proxy" in str(error):
        return "ForwardProxy"
    if isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError):
        return "CertificateUntrusted"
    if isinstance(cause, ssl.SSLError):
        return "TLS"
    if proxied and isinstance(cause, OSError):
        return "ForwardProxyUnreachable"
    if isinstance(cause, socket.gaierror):
        return "NameNotFound"
    if isinstance(cause, ConnectionRefusedError):
        return "ConnectionRefused"
    return error.reason
