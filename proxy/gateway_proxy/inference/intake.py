"""Reading a request's body: how much of it, how much of all of them at once, and for how long."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError
from gateway_proxy.timeouts import LEAST_BYTES_PER_SECOND, Timeouts

TooLarge = Callable[[int], GatewayError]
"""Makes the error of a body beyond the limit, which it is given."""
_TOO_LARGE: Final[TooLarge] = errors.request_too_large

PAUSE_BYTES: Final = 64 * 1024
"""Of a body that lies ready when its turn comes: above it, it is taken before the rest is waited for."""


class Reading:
    """A body on its way in. Its bytes are counted as they arrive: a length that is only declared holds nothing."""

    __slots__ = ("_began", "_counted", "_heard_at", "_intake", "_max_held", "_over", "_payload", "_seen", "error")

    def __init__(self, intake: "Intake", payload: StreamReader, *, max_held: int) -> None:
        self._intake = intake
        self._payload = payload
        self._max_held = max_held
        self._began = self._heard_at = asyncio.get_running_loop().time()
        self._counted = self._seen = 0
        self._over: asyncio.Future[None] | None = None
        self.error: Exception | None = None
        """Why the rest is no longer read."""

    def arrived(self) -> None:
        """Counts what has come since the last call; called after each packet."""
        total = self._payload.total_bytes
        if total != self._counted:
            intake = self._intake
            intake.held += total - self._counted
            self._counted = total
            if intake.held > self._max_held:
                # Not through the payload: the rest is still to be dropped from there.
                self._stop(errors.too_busy())

    def fail(self, error: Exception) -> None:
        """Ends the reading from outside, at once."""
        self._stop(error)
        self._payload.set_exception(error)

    def tick(self, now: float, timeouts: Timeouts) -> None:
        """Looks at this body's deadlines."""
        received = self._payload.total_bytes
        if received != self._seen:
            self._seen, self._heard_at = received, now
        late = now - self._began >= timeouts.body + received / LEAST_BYTES_PER_SECOND
        if late or now - self._heard_at >= timeouts.silence:
            self.fail(errors.request_timeout())

    def release(self) -> None:
        """The body is read, or given up."""
        self._intake.held -= self._counted
        self._counted = 0

    async def until_whole(self) -> None:
        """Wakes once, however many packets the body comes in. Raises what ended the reading."""
        if self.error is not None:
            raise self.error
        self._over = asyncio.get_running_loop().create_future()
        self._payload.on_eof(self._ended)
        await self._over

    def _ended(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _stop(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            if self._over is not None and not self._over.done():
                self._over.set_exception(error)


class Intake:
    """Counts the bytes of all bodies that are being read."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def at_once(
        self, request: ClientRequest, *, max_bytes: int, encoded: bool = False, too_large: TooLarge = _TOO_LARGE
    ) -> bytes | None:
        """The body of a request that has arrived whole, as most do; None where `read` is needed. `encoded`: a
        content-encoding is taken, and left in place."""
        payload = request.payload
        if not payload.is_eof() or ("Content-Encoding" in request.headers and not encoded):
            return None
        body: bytes = payload.read_nowait()
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        return body

    async def read(
        self,
        request: ClientRequest,
        *,
        max_bytes: int,
        max_held: int,
        encoded: bool = False,
        too_large: TooLarge = _TOO_LARGE,
    ) -> bytes:
        """The whole body. Raises GatewayError: 413 at the head where the length is told, else as soon as it is
        passed; 415 for a content-encoding; 429 when all bodies together pass `max_held`, at the head where it cannot
        fit beside what is held by then; 408 for one that falls silent or is too slow; 400."""
        headers = request.headers
        encoding = headers.get("Content-Encoding")
        if encoding is not None and not encoded and encoding.strip().lower() not in ("", "identity"):
            raise errors.content_encoding_refused()
        payload = request.payload
        length = 0 if request.chunked else int(headers.get("Content-Length") or 0)
        if length > max_bytes:
            raise too_large(max_bytes)
        if payload.is_eof():
            body = bytes(payload.read_nowait())
            if len(body) > max_bytes:
                raise too_large(max_bytes)
            return body
        if self.held + length > max_held:
            raise errors.too_busy()
        if headers.get("Expect", "").lower() == "100-continue" and not request.http_1_0:
            request.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        reading = Reading(self, payload, max_held=max_held)
        request.connection.reading = reading
        try:
            if request.connection.broken:
                raise RequestPayloadError
            if (error := payload.exception()) is not None:
                raise error
            reading.arrived()
            if request.chunked:
                return await _chunked(reading, payload, max_bytes=max_bytes, too_large=too_large)
            # What came while an earlier request was answered may have paused the reading: taking it resumes that.
            early: bytes = payload.read_nowait() if payload.total_bytes > PAUSE_BYTES else b""
            # Room for all of it: reading is never paused, and this task wakes once.
            payload.set_read_chunk_size(length + 1)
            await reading.until_whole()
            rest: bytes = payload.read_nowait()
            return early + rest if early else rest
        except RequestPayloadError:
            request.closes = True
            raise errors.invalid_request("the request body's framing is broken", reason="MalformedBody") from None
        except GatewayError as error:
            if error.status == 408:
                request.closes = True
            raise
        finally:
            request.connection.reading = None
            reading.release()


async def _chunked(reading: Reading, payload: StreamReader, *, max_bytes: int, too_large: TooLarge) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        if reading.error is not None:
            raise reading.error
        part = await payload.readany()
        if not part:
            return b"".join(parts)
        total += len(part)
        if total > max_bytes:
            raise too_large(max_bytes)
        parts.append(part)
