"""An OpenTelemetry collector over HTTP and over gRPC: keeps what it gets, decodes it, answers as it is told."""

import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.standins.gateway import eventually

REQUESTS: dict[str, Any] = {
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
}


@dataclass(frozen=True, slots=True)
class Export:
    """One export request. `headers` by name in lower case; over gRPC its metadata."""

    signal: str
    headers: dict[str, str]
    raw: bytes
    method: str = "POST"

    @property
    def message(self) -> Any:
        """The decoded protobuf."""
        plain = gzip.decompress(self.raw) if self.headers.get("content-encoding") == "gzip" else self.raw
        return REQUESTS[self.signal].FromString(plain)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric by its name, as protobuf's JSON."""
        return {
            metric["name"]: metric
            for resource in MessageToDict(self.message)["resourceMetrics"]
            for scope in resource["scopeMetrics"]
            for metric in scope["metrics"]
        }


Answer = tuple[int, dict[str, str]]


@dataclass
class Collector:
    """Listens on two free ports. `answer` decides what becomes of an HTTP request, `refusal` of a gRPC call."""

    answer: Callable[[Export], Answer] = lambda export: (200, {})
    refusal: Callable[[Export], grpc.StatusCode | None] = lambda export: None
    received: list[Export] = field(default_factory=list)
    """Every attempt, those that were turned away too."""
    credentials: grpc.ServerCredentials | None = None
    """For gRPC over TLS."""
    http_port: int = 0
    grpc_port: int = 0

    def __enter__(self) -> Self:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                export = Export(self.path.removeprefix("/otlp/v1/").removeprefix("/v1/"), headers, body)
                collector.received.append(export)
                status, more = collector.answer(export)
                self.send_response(status)
                for name, value in {**more, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._http = Server(("127.0.0.1", self.http_port), Handler)
        self.http_port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self._grpc = grpc.server(ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
        self._grpc.add_generic_rpc_handlers((_Calls(self),))
        if self.credentials is None:
            self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        else:
            self.grpc_port = self._grpc.add_secure_port("127.0.0.1:0", self.credentials)
        self._grpc.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"http://127.0.0.1:{self.grpc_port}"

    def of(self, signal: str) -> list[Export]:
        return [export for export in self.received if export.signal == signal]

    def first(self, signal: str) -> Export:
        """The first export of the signal; waits for it."""
        found: Export = eventually(lambda: next(iter(self.of(signal)), None), what=f"an export of {signal}")
        return found


class _Calls(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def service(self, handler_call_details: Any) -> Any:
        service = handler_call_details.method.split("/")[1]
        signal = service.split(".")[-3].replace("trace", "traces")

        def export(body: bytes, context: Any) -> bytes:
            received = Export(signal, dict(context.invocation_metadata()), body, handler_call_details.method)
            self._collector.received.append(received)
            code = self._collector.refusal(received)
            if code is not None:
                context.abort(code, "as the test says")
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


def attribute_keys(value: Any) -> Iterator[str]:
    """The keys of every attribute in a message as protobuf's JSON."""
    if isinstance(value, dict):
        if set(value) <= {"key", "value"} and "key" in value:
            yield value["key"]
        for item in value.values():
            yield from attribute_keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from attribute_keys(item)
