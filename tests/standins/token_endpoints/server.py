"""Where clouds' token endpoints stand in: a forward proxy that is every host it is asked for, with certificates of its
own authority, and a plain server for metadata services. What is not asked rightly is written down as a problem.

with TokenServer() as server:
    sts = server.add(STS(...))          # a service says which hosts it is, and answers
    sts.fails = lambda asked: (403, b"...")
"""

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl

import trustme

from gateway_config.contract import Egress

DEADLINE = 15.0


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    method: str
    host: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    tls: bool
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2]))

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body)


Reply = tuple[int, bytes | dict[str, Any]] | tuple[int, bytes | dict[str, Any], dict[str, str]]


class Service(ABC):
    """One token endpoint."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.fails: Callable[[Asked], Reply] | None = None
        """What is answered instead."""
        self.seconds = 3600.0
        """How long what it hands out is good for."""
        self.open = threading.Event()
        """Cleared: requests are answered once it is set."""
        self.open.set()

    @abstractmethod
    def serves(self, host: str, path: str) -> bool:
        """Whether a request is for this service."""

    @abstractmethod
    def answer(self, asked: Asked) -> Reply:
        """Checks the request, into `asked.problems`, and answers it."""

    @property
    def problems(self) -> list[str]:
        return [f"{one.method} {one.host}{one.target}: {problem}" for one in self.asked for problem in one.problems]


S = TypeVar("S", bound=Service)


class TokenServer:
    """The proxy and the plain server in one; on a thread, so that blocking and asynchronous tests use it alike."""

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self.host = host
        self.services: list[Service] = []
        self.connects: list[str] = []
        """Authorities that were asked for as of a forward proxy."""
        self.connections = 0
        """Those that are open."""
        self.changed = threading.Condition()
        self._authority = trustme.CA()
        self.ca_pem = self._authority.cert_pem.bytes().decode()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._server = _Server((host, 0), _Handler)
        self._server.tokens = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Of the plain server."""
        return f"http://{self.host}:{self.port}"

    @property
    def egress(self) -> Egress:
        """A gateway's, whose way out this is."""
        return Egress(proxy_url=self.url, ca_pem=self.ca_pem, allow_loopback=True)

    def add(self, service: S) -> S:
        self.services.append(service)
        return service

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in self.services:
            service.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE)

    def context(self, host: str) -> ssl.SSLContext:
        found = self._contexts.get(host)
        if found is None:
            found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            issued = self._authority.issue_cert(host)
            with tempfile.TemporaryDirectory() as folder:
                pem = Path(folder) / "certificate.pem"
                issued.private_key_and_cert_chain_pem.write_to_path(pem)
                found.load_cert_chain(pem)
            self._contexts[host] = found
        return found

    def answer(self, asked: Asked) -> Reply:
        service = next((each for each in self.services if each.serves(asked.host, asked.path)), None)
        if service is None:
            return 404, b"nobody stands in for this"
        service.asked.append(asked)
        service.open.wait(DEADLINE)
        if service.fails is not None:
            return service.fails(asked)
        return service.answer(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tokens: TokenServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left early is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _tls_host: str | None = None

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0]
        self.server.tokens.connects.append(self.path)
        self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            self.connection = self.server.tokens.context(host).wrap_socket(self.connection, server_side=True)
        except (OSError, ssl.SSLError):
            self.close_connection = True
            return
        self._tls_host = host
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def _any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        target = self.path
        if target.startswith("http://"):
            target = "/" + target.split("/", 3)[3]
        asked = Asked(
            self.command,
            self.headers.get("host") or "",
            target,
            list(self.headers.items()),
            self.rfile.read(length),
            self._tls_host is not None,
        )
        if self._tls_host is not None and asked.host != self._tls_host:
            asked.problems.append(f"host {asked.host} inside of a tunnel to {self._tls_host}")
        status, body, *more = self.server.tokens.answer(asked)
        content_type = "text/xml" if isinstance(body, bytes) and body.startswith(b"<") else "text/plain"
        if isinstance(body, dict):
            body, content_type = json.dumps(body).encode(), "application/json"
        self.send_response(status)
        for name, value in {"content-type": content_type, **(more[0] if more else {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = _any  # noqa: N815

    def setup(self) -> None:
        self._count(1)
        super().setup()

    def _count(self, more: int) -> None:
        tokens = self.server.tokens
        with tokens.changed:
            tokens.connections += more

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self._count(-1)

    def log_message(self, *_: object) -> None:
        """Tests read what was asked, not lines of it."""
