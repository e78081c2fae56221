"""One request as its handler sees it, and the bytes of the answer."""

import itertools
import os
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp.http import HttpVersion11
from multidict import CIMultiDictProxy

from gateway_proxy.errors import GatewayError, envelope

if TYPE_CHECKING:
    from gateway_proxy.server import ClientConnection

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}\Z").match
_NUMBERS = itertools.count(1)
_PROCESS: Final = os.urandom(8).hex()

_STATUS_LINES: dict[int, bytes] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_STATUS_LINES[529] = b"HTTP/1.1 529 Overloaded\r\n"
_CLOSE: Final = b"connection: close\r\n"
_JSON: Final = b"content-type: application/json\r\n"


def status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def request_id_of(wanted: str | None) -> str:
    """The client's own id where that is a plain one, else a new one."""
    if wanted is not None and _SANE_ID(wanted):
        return wanted
    return f"gw-{_PROCESS}-{next(_NUMBERS):x}"


class _Date:
    """The Date header, made once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


_date = _Date()


class ClientRequest:
    """A parsed head and the body that follows. Answered once: by `reply`, `refuse`, or `start` and raw writes."""

    __slots__ = (
        "chunked",
        "client",
        "closes",
        "connection",
        "headers",
        "http_1_0",
        "method",
        "path",
        "payload",
        "query",
        "raw_headers",
        "request_id",
        "started",
    )

    def __init__(self, connection: "ClientConnection", message: Any, payload: Any, *, closing: bool) -> None:
        self.connection = connection
        self.payload = payload
        self.method: str = message.method
        self.headers: CIMultiDictProxy[str] = message.headers
        self.raw_headers: Sequence[tuple[bytes, bytes]] = message.raw_headers
        self.chunked: bool = bool(message.chunked)
        self.http_1_0: bool = message.version is not HttpVersion11
        self.closes: bool = closing or bool(message.should_close) or bool(message.upgrade)
        """Whether the connection ends after this answer."""
        target: str = message.path
        if not target.startswith("/"):
            target = _origin_form(target)
        self.path, _, self.query = target.partition("?")
        self.request_id = request_id_of(message.headers.get("x-client-request-id"))
        self.started = False
        """Whether the answer's head has been written."""
        self.client = ""
        """The address that the request comes from, as far as trusted proxies tell; empty before the server knows."""

    def __repr__(self) -> str:
        return f"<ClientRequest {self.method} {self.path} {self.request_id}>"

    @property
    def transport(self) -> Any:
        """None once the client is gone."""
        return self.connection.transport

    def head(self, status: int, lines: list[bytes], framing: bytes) -> bytes:
        """An answer's head. `lines` and `framing` are whole header lines; `framing` tells where the body ends."""
        self.started = True
        end = b"\r\n"
        if self.closes:
            end = b"connection: close\r\n\r\n"
        elif self.http_1_0:
            end = b"connection: keep-alive\r\n\r\n"
        return b"".join(
            (status_line(status), b"x-request-id: ", self.request_id.encode(), b"\r\n", *lines, framing, end)
        )

    def write(self, data: bytes) -> None:
        transport = self.connection.transport
        if transport is not None:
            transport.write(data)

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A whole answer of the gateway's own; `headers` with its content-type. A body that nobody will read ends the
        connection where the client waits to send it."""
        if not self.payload.is_eof() and self.headers.get("expect"):
            self.closes = True
        lines = [_date.line()]
        if headers:
            lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items()]
        bodiless = status in (204, 304)
        head = self.head(status, lines, b"" if bodiless else b"content-length: %d\r\n" % len(body))
        self.write(head if bodiless or self.method == "HEAD" else head + body)

    def refuse(self, error: GatewayError) -> None:
        """An error of the gateway's own."""
        body = envelope(error, self.request_id)
        # `request-id` is where the official SDKs look.
        fixed = {"content-type": "application/json", "request-id": self.request_id}
        self.reply(error.status, body, {**fixed, **error.headers})

    def abort(self) -> None:
        """Cuts the connection, so that the client sees that the answer is not whole."""
        self.closes = True
        transport = self.connection.transport
        if transport is not None:
            transport.abort()

    def cancel(self) -> None:
        """Cancels the handler."""
        task = self.connection.task
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Ends the connection once what was written has been sent."""
        transport = self.connection.transport
        if transport is not None:
            transport.close()

    @staticmethod
    def refusal(error: GatewayError, request_id: str) -> bytes:
        """A whole answer to something that could not be read as a request, the last one on its connection."""
        body = envelope(error, request_id)
        own = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in error.headers.items())
        return b"".join(
            (
                status_line(error.status),
                b"x-request-id: ",
                request_id.encode(),
                b"\r\n",
                _date.line(),
                own,
                _JSON,
                _CLOSE,
                b"content-length: %d\r\n\r\n" % len(body),
                body,
            )
        )


def _origin_form(target: str) -> str:
    """Path and query of an absolute-form target; anything else is a path that nothing is served at."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return target
    slash = rest.find("/")
    question = rest.find("?")
    if slash < 0 or -1 < question < slash:
        return target
    return rest[slash:]
