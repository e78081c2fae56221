"""The proxy as a child process: started, listened to, asked for its state, ended."""

import asyncio
import contextlib
import http.client
import json
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway_operator.local.addresses import Address, AddressError, parse

LINE_BYTES = 1024 * 1024
"""Longest line taken from the proxy in one piece."""
KEPT_LINES = 20
"""Of standard error, for the message that tells why the proxy ended."""
STATUS_SECONDS = 2.0


class GatewayProcess:
    """A running proxy. Made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process, *, token: str) -> None:
        self._process = process
        self._token = token
        self.admin = Address("127.0.0.1", 0)
        self.metrics = Address("127.0.0.1", 0)
        """Both free ports; the proxy's log tells them as soon as it listens."""
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.ended: asyncio.Future[int] = asyncio.ensure_future(process.wait())
        """Resolves to the exit code."""

    async def status(self) -> dict[str, Any] | None:
        """What the admin port says; None while it does not answer."""
        return await asyncio.to_thread(self._status)

    def take_log(self, line: bytes) -> None:
        """A line of the proxy's operational log."""
        self.last_lines.append(line.decode(errors="replace").rstrip())
        if self.admin.port == 0 and b'"listening"' in line:
            with contextlib.suppress(ValueError, KeyError, TypeError, AddressError):
                record = json.loads(line)
                self.admin, self.metrics = parse(record["admin"]), parse(record["metrics"])

    def _status(self) -> dict[str, Any] | None:
        if self.admin.port == 0:
            return None
        connection = http.client.HTTPConnection(self.admin.host, self.admin.port, timeout=STATUS_SECONDS)
        try:
            connection.request("GET", "/status", headers={"authorization": f"Bearer {self._token}"})
            response = connection.getresponse()
            value = json.loads(response.read()) if response.status == http.HTTPStatus.OK else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return value if isinstance(value, dict) else None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


@contextlib.asynccontextmanager
async def running(
    *,
    config: Path,
    state_directory: Path,
    listen: Address,
    token_file: Path,
    token: str,
    on_log: Callable[[bytes], None],
    on_audit: Callable[[bytes], None] | None,
) -> AsyncIterator[GatewayProcess]:
    """A proxy that has been started, not waited for. It is killed if it still runs when the context ends.

    Without `on_audit` its standard output is this process's own.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Without the working directory on the path, where any file may be called like a module.
        "-P",
        *("-m", "gateway_operator.local.launcher"),
        *("--config", str(config)),
        *("--state-dir", str(state_directory)),
        *("--listen", str(listen)),
        *("--admin-listen", "127.0.0.1:0"),
        *("--metrics-listen", "127.0.0.1:0"),
        *("--admin-token-file", str(token_file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if on_audit else None,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    gateway = GatewayProcess(process, token=token)

    def on_stderr(line: bytes) -> None:
        gateway.take_log(line)
        on_log(line)

    assert process.stderr is not None, "a pipe was asked for"
    readers = [asyncio.create_task(_drain(process.stderr, on_stderr))]
    if on_audit is not None:
        assert process.stdout is not None, "a pipe was asked for"
        readers.append(asyncio.create_task(_drain(process.stdout, on_audit)))
    try:
        yield gateway
    finally:
        gateway.kill()
        await gateway.ended
        # What the proxy wrote last is read to its end; a grandchild that kept the pipe open cannot hold us.
        await asyncio.wait(readers, timeout=1.0)
        for reader in readers:
            reader.cancel()
        await _settled(readers)


async def _settled(tasks: list[asyncio.Task[None]]) -> None:
    waiting: list[Awaitable[None]] = list(tasks)
    await asyncio.gather(*waiting, return_exceptions=True)


async def _drain(stream: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
    """Reads to the end, so that the proxy never waits for us. An overlong line comes in pieces."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                take(error.partial)
            return
        except asyncio.LimitOverrunError as error:
            line = await stream.readexactly(error.consumed)
        take(line)
