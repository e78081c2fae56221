"""Developers at work on a gateway: open streams and a steady flow of new connections, and what became of each.

Both run on an event loop in a thread of their own, beside whatever a test does to the pods.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from tests.node.gateways import BODY, STREAMED, NodeGateway
from tests.node.kubernetes import eventually
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import Gate, Script, usual
from tests.standins.raw_client import request_bytes
from tests.standins.requests_seen import Received

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""Longer than anything may take: a pod that has gone without its Service knowing would be waited for."""
SILENT_SECONDS = 30.0
_STOP = b"event: message_stop\n"
_END = b"\r\n" + framing.LAST_CHUNK
_TAIL_BYTES = 400


class Pause(Gate):
    """A place in an upstream's script where it waits for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def passed(self) -> None:
        await asyncio.sleep(self._seconds)


def slow_streams(*, seconds: float, every: float = 0.5) -> Callable[[Received], Script]:
    """For `AnthropicUpstream.respond`: streams that last about so long, with an event each `every` seconds. Each second
    one lasts half of that, so that they end at all times. What is no stream is answered at once."""
    begun = 0

    def respond(request: Received) -> Script:
        nonlocal begun
        if not request.streams:
            return usual(request)
        begun += 1
        return _events(round(seconds / every / (1 + begun % 2)), every)

    return respond


def _events(count: int, every: float) -> Script:
    start, ping, opened, *_, stopped, delta, stop = messages.events(messages.text("x"))
    yield framing.stream_head()
    yield framing.chunk(start + ping + opened)
    for number in range(count):
        text = {"type": "text_delta", "text": f"word {number} "}
        part = {"type": "content_block_delta", "index": 0, "delta": text}
        yield framing.chunk(messages.event("content_block_delta", part))
        yield Pause(every)
    yield framing.chunk(stopped + delta + stop)
    yield framing.LAST_CHUNK


class Traffic:
    """Runs from `with` to its end; then every stream has ended, as it should or not."""

    def __init__(self, gateway: NodeGateway) -> None:
        self._host, self._port = gateway.host, gateway.port
        self._headers = gateway.headers()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="traffic", daemon=True)
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._on_loop(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._on_loop(self._finish(abandon=kind is not None))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(ANSWER_SECONDS)
            self._loop.close()

    def work(self) -> Iterable[Awaitable[None]]:
        """What is to run until `_ending` is set, and a little longer."""
        raise NotImplementedError

    def _on_loop(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _begin(self) -> None:
        self._tasks = [asyncio.ensure_future(one) for one in self.work()]

    async def _finish(self, *, abandon: bool) -> None:
        self._ending.set()
        if abandon:
            for task in self._tasks:
                task.cancel()
        for done in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(done, Exception) and not abandon:
                raise done

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(self._host, self._port)


class OpenStreams(Traffic):
    """So many streams at any time: in place of one that ends, a new one is begun, on a connection of its own."""

    def __init__(self, gateway: NodeGateway, *, count: int, spread: float = 2.0) -> None:
        """`spread`: seconds in which the first ones are begun."""
        super().__init__(gateway)
        self._count = count
        self._spread = spread
        self._request = request_bytes("POST", "/v1/messages?beta=true", self._headers, STREAMED)
        self.open = 0
        self.ended = 0
        """With message_stop and the answer's own end."""
        self.cut: Counter[str] = Counter()
        """By how; `ended` has none of them."""

    def work(self) -> Iterable[Awaitable[None]]:
        return [self._developer(self._spread * number / self._count) for number in range(self._count)]

    def wait_open(self, *, within: float = 60.0) -> None:
        """Raises `TimeoutError`."""
        eventually(lambda: self.open == self._count, within=within, what=f"{self._count} open streams")

    async def _developer(self, delay: float) -> None:
        await asyncio.sleep(delay)
        while not self._ending.is_set():
            problem = await self._stream()
            if problem is None:
                self.ended += 1
            else:
                self.cut[problem] += 1
                await asyncio.sleep(0.5)

    async def _stream(self) -> str | None:
        try:
            reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            return f"no connection: {error!r}"
        began = False
        try:
            writer.write(self._request)
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                return f"answered {head.splitlines()[0].decode()}"
            began = True
            self.open += 1
            return await self._rest(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            return f"{'broke off' if began else 'was not answered'}: {error!r}"
        finally:
            self.open -= began
            writer.close()

    @staticmethod
    async def _rest(reader: asyncio.StreamReader) -> str | None:
        tail = b""
        async with asyncio.timeout(SILENT_SECONDS) as silence:
            while data := await reader.read(65536):
                silence.reschedule(asyncio.get_running_loop().time() + SILENT_SECONDS)
                tail = (tail + data)[-_TAIL_BYTES:]
                if tail.endswith(_END):
                    return None if _STOP in tail else f"ended without message_stop: {tail[-200:]!r}"
        return f"the connection ended in mid-stream, after {tail[-80:]!r}"


class NewConnections(Traffic):
    """A new connection every now and then, with one request on it."""

    def __init__(self, gateway: NodeGateway, *, per_second: float) -> None:
        super().__init__(gateway)
        self._every = 1.0 / per_second
        self._request = request_bytes("POST", "/v1/messages?beta=true", self._headers, BODY)
        self._asking: set[asyncio.Task[None]] = set()
        self.answered = 0
        self.refused: Counter[str] = Counter()
        """Connections that could not be opened, by how."""
        self.failed: Counter[str] = Counter()
        """Requests on an open connection without an answer of status 200, by how."""

    def work(self) -> Iterable[Awaitable[None]]:
        return [self._run()]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._ending.is_set():
            task = loop.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            due = max(due + self._every, loop.time())
            await asyncio.sleep(due - loop.time())
        await asyncio.gather(*self._asking)

    async def _ask(self) -> None:
        try:
            reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            self.refused[repr(error)] += 1
            return
        try:
            writer.write(self._request)
            async with asyncio.timeout(ANSWER_SECONDS):
                status = await _status(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.failed[repr(error)] += 1
        else:
            if status == 200:
                self.answered += 1
            else:
                self.failed[f"status {status}"] += 1
        finally:
            writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Of an answer that came whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = next(
        (int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), None
    )
    if length is None:
        await reader.readuntil(framing.LAST_CHUNK)
    else:
        await reader.readexactly(length)
    return status


def counts(streams: OpenStreams, connections: NewConnections) -> Mapping[str, Any]:
    """What went wrong: empty where nothing did."""
    found = {"cut": streams.cut, "refused": connections.refused, "failed": connections.failed}
    return {name: dict(each) for name, each in found.items() if each}
