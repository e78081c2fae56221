"""The audit log: one JSON line for each inference and each refusal, on standard output.

The request path puts a rendered line into a bounded queue; a thread writes them in batches, so a slow reader of
standard output never holds up a request. The thread does nothing that needs the interpreter for long: had it to render
the lines, it would take the interpreter from the event loop for milliseconds at a time, and cost a quarter of a core's
requests. What cannot be written is dropped, counted, and said so.
"""

import os
import select
import threading
import time
from collections import deque
from typing import Any, Final

import orjson

from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.attempts import Decision
from gateway_proxy.messages.tags import Billing
from gateway_proxy.spend.usage import Usage

QUEUE_LINES: Final = 20_000
"""About a second and a half of a core's requests at full speed; some 20 MB."""
BATCH_LINES: Final = 500
GATHER_SECONDS: Final = 0.05
"""How long the thread lets lines gather: waking it for every line would cost more than the line."""
MAX_TEXT_CHARACTERS: Final = 512
"""Of one value; what clients send is longer only when they mean harm."""

Line = dict[str, Any]


class AuditLog:
    """Writes lines to a file descriptor from a thread of its own."""

    def __init__(self, descriptor: int = 1, *, queue_lines: int = QUEUE_LINES) -> None:
        self.wanted = True
        """Whether the configuration in force asks for lines; without one they are written."""
        self.dropped = 0
        """Lines lost: the queue was full, or the reader has gone."""
        self._descriptor = descriptor
        self._limit = queue_lines
        self._queue: deque[bytes] = deque()
        self._wake = threading.Event()
        self._awake = False
        self._closing = False
        self._reported = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, line: Line) -> None:
        """Renders and queues a line. Never blocks: with a full queue the line is lost,
        rather than an older one, so that what is there stays a whole sequence."""
        if not self.wanted:
            return
        if len(self._queue) >= self._limit:
            self.dropped += 1
            return
        self._queue.append(_rendered(time.time(), line))
        if not self._awake:
            self._awake = True
            self._wake.set()

    def close(self, *, seconds: float = 2.0) -> None:
        """Writes what is queued, for at most `seconds`."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._closing:
                time.sleep(GATHER_SECONDS)
            self._wake.clear()
            # Before the queue is emptied: a line that comes after this sets the event again.
            self._awake = False
            while self._queue:
                self._write_batch()
            if self._closing and not self._queue:
                return

    def _write_batch(self) -> None:
        lines: list[bytes] = []
        if self.dropped > self._reported:
            lines.append(_rendered(time.time(), {"event": "audit.dropped", "lines": self.dropped - self._reported}))
            self._reported = self.dropped
        while self._queue and len(lines) < BATCH_LINES:
            lines.append(self._queue.popleft())
        try:
            self._write_whole(memoryview(b"".join(lines)))
        except OSError:
            # The reader has gone (EPIPE) or the volume is full: the gateway goes on, and its metric tells.
            self.dropped += len(lines)
            self._reported = self.dropped

    def _write_whole(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # Another process may have made the shared terminal or pipe non-blocking.
                select.select((), (self._descriptor,), (), 1.0)


class _Clock:
    """The start of a line, made once a second."""

    __slots__ = ("_second", "_start")

    def __init__(self) -> None:
        self._second = -1
        self._start = b""

    def start(self, moment: float) -> bytes:
        second = int(moment)
        if second != self._second:
            self._second = second
            self._start = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S', time.gmtime(second)).encode()
        return b'%b.%03dZ",' % (self._start, (moment - second) * 1000)


_clock = _Clock()


def _rendered(moment: float, line: Line) -> bytes:
    """`line` holds an event, so that it is never empty."""
    try:
        members = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A header's bytes that are no UTF-8 arrive as lone surrogates, which JSON cannot hold.
        line = {name: _clean(value) for name, value in line.items()}
        members = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE, default=str)
    if len(members) > MAX_TEXT_CHARACTERS and any(_too_long(value) for value in line.values()):
        return _rendered(
            moment, {name: value[:MAX_TEXT_CHARACTERS] if _too_long(value) else value for name, value in line.items()}
        )
    return _clock.start(moment) + members[1:]


def _too_long(value: object) -> bool:
    return type(value) is str and len(value) > MAX_TEXT_CHARACTERS


def _clean(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def inference_line(
    *,
    request_id: str,
    principal: Principal,
    path: str,
    model: str,
    upstream: str | None,
    upstream_request_id: str | None,
    status: int,
    milliseconds: float,
    first_byte_milliseconds: float | None,
    usage: Usage | None,
    stream: bool,
    session_id: str | None,
    client: str = "",
    billing: Billing | None = None,
    decision: Decision | None = None,
    outcome: str = "completed",
) -> Line:
    """An `inference` event. `model` is the canonical id; `outcome` a constant such as `completed`, `client_gone`,
    `upstream_broke_off`, `drained`. What is not known is left out, the cost too while nothing is priced."""
    line: Line = {
        "event": "inference",
        "request_id": request_id,
        **principal.audit_fields,
        "path": path,
        "model": model,
        "status": status,
        "ms": round(milliseconds, 1),
        "stream": stream,
        "outcome": outcome,
    }
    if upstream is not None:
        line["upstream"] = upstream
    if upstream_request_id is not None:
        line["upstream_request_id"] = upstream_request_id
    if first_byte_milliseconds is not None:
        line["first_byte_ms"] = round(first_byte_milliseconds, 1)
    if session_id is not None:
        line["session_id"] = session_id
    if client:
        line["client"] = client
    if billing is not None:
        line |= {"billing_group": billing.group} if billing.group is not None else {"billing_group_ignored": True}
    if decision is not None:
        line["attempts"] = decision.attempts
        if upstream is not None:
            line["why"] = decision.why
        if decision.passed_over:
            line["passed_over"] = decision.passed_over
    if usage is not None:
        line["tokens"] = _tokens(usage)
        if usage.estimated:
            line["tokens_estimated"] = True
    return line


def _tokens(usage: Usage) -> dict[str, int]:
    tokens = {"input": usage.input_tokens, "output": usage.output_tokens}
    if usage.cache_read_input_tokens:
        tokens["cache_read"] = usage.cache_read_input_tokens
    if usage.cache_creation_5m_input_tokens:
        tokens["cache_write_5m"] = usage.cache_creation_5m_input_tokens
    if usage.cache_creation_1h_input_tokens:
        tokens["cache_write_1h"] = usage.cache_creation_1h_input_tokens
    if usage.web_search_requests:
        tokens["web_searches"] = usage.web_search_requests
    return tokens


def refusal_line(
    error: GatewayError,
    *,
    request_id: str,
    path: str,
    principal: Principal | None = None,
    model: str | None = None,
    session_id: str | None = None,
    client: str = "",
) -> Line:
    """`auth.denied` for a caller that is not known, `access.denied` for one who asked for what they may not have; with
    the client's address, where that is known."""
    line: Line = {
        "event": "auth.denied" if error.status == 401 else "access.denied",
        "request_id": request_id,
        "reason": error.reason,
        "status": error.status,
        "path": path,
    }
    if client:
        line["client"] = client
    if principal is not None:
        line |= principal.audit_fields
    if model is not None:
        line["model"] = model
    if session_id is not None:
        line["session_id"] = session_id
    return line


def delivery_line(
    event: str,
    *,
    request_id: str,
    principal: Principal,
    policy: str,
    status: int,
    client: str = "",
    checksum: str | None = None,
) -> Line:
    """`managed.serve`, `desktop_bootstrap.serve` or `desktop_bootstrap.denied`; `policy` decided for the caller."""
    line: Line = {
        "event": event,
        "request_id": request_id,
        **principal.audit_fields,
        "policy": policy,
        "status": status,
    }
    if client:
        line["client"] = client
    if checksum is not None:
        line["checksum"] = checksum
    return line


def config_line(*, revision: str | None, sequence: int | None, outcome: str, reason: str | None = None) -> Line:
    """A `config.load` event; `revision` is the one in force afterwards."""
    line: Line = {"event": "config.load", "outcome": outcome}
    if revision is not None:
        line |= {"revision": revision, "sequence": sequence}
    if reason is not None:
        line["reason"] = reason
    return line
