"""A blocking HTTP/1.1 client that sends exactly the bytes it is given and keeps the bytes it gets."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.standins import framing

TIMEOUT = 20.0


class ClosedEarlyError(Exception):
    """The server ended the connection before the answer was whole."""


@dataclass(slots=True)
class Response:
    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} was sent {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[str, str]:
        """Type and message of an error envelope, checked for its shape."""
        value = self.json()
        assert value["type"] == "error", value
        return value["error"]["type"], value["error"]["message"]


def request_bytes(method: str, target: str, headers: framing.Headers, body: bytes | None = None) -> bytes:
    given = framing.pairs(headers)
    names = {name.lower() for name, _ in given}
    if "host" not in names:
        given = [("host", "gateway.test"), *given]
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        given = [*given, ("content-length", str(len(body)))]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


class Connection:
    """One TCP connection to the gateway. With `tls`, verified for the name `gateway.test`."""

    def __init__(
        self, port: int, *, host: str = "127.0.0.1", timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname="gateway.test")
            except BaseException:
                self.socket.close()
                raise
        self._buffer = bytearray()
        self._left: int | None = None
        self._chunked = False
        self._ended = True

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(
        self, method: str, target: str, *, headers: framing.Headers = (), body: bytes | None = None
    ) -> Response:
        self.send(request_bytes(method, target, headers, body))
        return self.response(bodiless=method == "HEAD")

    def response(self, *, bodiless: bool = False) -> Response:
        """The next answer, whole."""
        answer = self.head(bodiless=bodiless)
        answer.body = b"".join(self.pieces())
        return answer

    def head(self, *, bodiless: bool = False) -> Response:
        """The next answer's head; `pieces` or `event` read on."""
        raw = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = raw[:-4].split("\r\n")
        version, status, _ = [*first.split(" ", 2), ""][:3]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Response(version, int(status), headers)
        length = answer.header("content-length")
        encoding = answer.header("transfer-encoding")
        assert not (length and encoding), f"both content-length and transfer-encoding: {headers}"
        self._chunked = encoding == "chunked"
        self._left = int(length) if length is not None else None
        self._ended = bodiless or int(status) in (204, 304) or int(status) < 200
        return answer

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, without its framing."""
        while not self._ended:
            if piece := self._piece():
                yield piece

    def event(self) -> bytes:
        """The body up to and with the next blank line. Do not mix with `pieces` in mid-event."""
        got = bytearray()
        while not got.endswith(b"\n\n"):
            if self._ended:
                raise ClosedEarlyError(f"the body ended in mid-event: {bytes(got)!r}")
            got += self._piece(limit=1)
        return bytes(got)

    def at_end(self) -> bool:
        """Whether the server has closed; waits for it to do something."""
        return not self._buffer and not self._receive()

    def _piece(self, *, limit: int = 65536) -> bytes:
        if self._chunked:
            return self._chunked_piece(limit)
        if self._left is None:
            if not self._buffer and not self._receive():
                self._ended = True
            return self._take(min(limit, len(self._buffer)))
        if self._left and not self._buffer and not self._receive():
            raise ClosedEarlyError(f"{self._left} bytes of the body are missing")
        data = self._take(min(limit, self._left, len(self._buffer)))
        self._left -= len(data)
        self._ended = self._left == 0
        return data

    def _chunked_piece(self, limit: int) -> bytes:
        if not self._left:
            size = int(self._until(b"\r\n").partition(b";")[0].strip(), 16)
            if size == 0:
                while self._until(b"\r\n") != b"\r\n":
                    pass
                self._ended = True
                return b""
            self._left = size
        if not self._buffer and not self._receive():
            raise ClosedEarlyError("the body ended inside a chunk")
        data = self._take(min(limit, self._left, len(self._buffer)))
        self._left -= len(data)
        if not self._left:
            border = self._until(b"\r\n")
            assert border == b"\r\n", f"a chunk ends with {border!r}"
        return data

    def _until(self, mark: bytes) -> bytes:
        start = 0
        while (at := self._buffer.find(mark, start)) < 0:
            start = max(0, len(self._buffer) - len(mark))
            if not self._receive():
                raise ClosedEarlyError(f"closed before {mark!r}: {bytes(self._buffer)!r}")
        return self._take(at + len(mark))

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _receive(self) -> bool:
        data = self.socket.recv(262144)
        self._buffer += data
        return bool(data)


@contextmanager
def connect(
    port: int, *, host: str = "127.0.0.1", timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
) -> Iterator[Connection]:
    connection = Connection(port, host=host, timeout=timeout, tls=tls)
    try:
        yield connection
    finally:
        connection.close()


def fetch(
    port: int,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | framing.Headers = (),
    body: bytes | None = None,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Response:
    """One request on a connection of its own."""
    with connect(port, host=host, tls=tls) as connection:
        return connection.request(method, target, headers=headers, body=body)
