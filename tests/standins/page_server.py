"""A web server on a port of 127.0.0.1 that answers with what a test lays out, and notes what a browser sends."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl

from gateway_proxy.web.responses import Response


@dataclass(frozen=True, slots=True)
class Sent:
    """A request for one of the pages."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    form: dict[str, str]


class PageServer:
    """`pages` by their targets; anything else is 404."""

    def __init__(self, **pages: Response) -> None:
        self.pages: dict[str, Response] = {f"/{name}": page for name, page in pages.items()}
        self.sent: list[Sent] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.respond({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.respond(dict(parse_qsl(body.decode(), keep_blank_values=True)))

            def respond(self, form: dict[str, str]) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.sent.append(Sent(self.command, self.path, headers, form))
                page = server.pages.get(self.path, Response(404, b"no such page", {"content-type": "text/plain"}))
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def posts(self) -> list[Sent]:
        return [one for one in self.sent if one.method == "POST"]

    def __enter__(self) -> PageServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
