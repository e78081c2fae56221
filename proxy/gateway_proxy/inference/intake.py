"""Reading a request's body: how much of it, and how much of all of them at once."""

from typing import Final

from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from gateway_proxy import errors
from gateway_proxy.client_request import ClientRequest
from gateway_proxy.errors import GatewayError

PAUSE_BYTES: Final = 64 * 1024
"""Of a body that lies ready when its turn comes: above it, it is taken before the rest is waited for."""


class Intake:
    """Counts the bytes of all bodies that are being read."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def at_once(self, request: ClientRequest, *, max_bytes: int) -> bytes | None:
        """The body of a request that has arrived whole, as most do; None where `read` is needed."""
        payload = request.payload
        if not payload.is_eof() or "Content-Encoding" in request.headers:
            return None
        body: bytes = payload.read_nowait()
        if len(body) > max_bytes:
            raise errors.request_too_large(max_bytes)
        return body

    async def read(self, request: ClientRequest, *, max_bytes: int, max_held: int) -> bytes:
        """The whole body. Raises GatewayError: 413 at the head where the length is told, else as soon as it is
        passed; 415 for a content-encoding; 429 when all bodies together would pass `max_held`; 408; 400."""
        headers = request.headers
        encoding = headers.get("Content-Encoding")
        if encoding is not None and encoding.strip().lower() not in ("", "identity"):
            raise errors.content_encoding_refused()
        payload = request.payload
        length = 0 if request.chunked else int(headers.get("Content-Length") or 0)
        if length > max_bytes:
            raise errors.request_too_large(max_bytes)
        if payload.is_eof():
            body = bytes(payload.read_nowait())
            if len(body) > max_bytes:
                raise errors.request_too_large(max_bytes)
            return body
        if self.held + length > max_held:
            raise errors.too_busy()
        if headers.get("Expect", "").lower() == "100-continue" and not request.http_1_0:
            request.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.connection.reading = request
        try:
            if request.connection.broken:
                raise RequestPayloadError
            if (error := payload.exception()) is not None:
                raise error
            if request.chunked:
                return await self._read_chunked(payload, max_bytes=max_bytes, max_held=max_held)
            self.held += length
            try:
                # What came while an earlier request was answered may have paused the reading: taking it resumes that.
                early: bytes = payload.read_nowait() if payload.total_bytes > PAUSE_BYTES else b""
                # Room for all of it: reading is never paused, and this task wakes once.
                payload.set_read_chunk_size(length + 1)
                await payload.wait_eof()
                rest: bytes = payload.read_nowait()
                return early + rest if early else rest
            finally:
                self.held -= length
        except RequestPayloadError:
            request.closes = True
            raise errors.invalid_request("the request body's framing is broken", reason="MalformedBody") from None
        except GatewayError as error:
            if error.status == 408:
                request.closes = True
            raise
        finally:
            request.connection.reading = None

    async def _read_chunked(self, payload: StreamReader, *, max_bytes: int, max_held: int) -> bytes:
        parts: list[bytes] = []
        total = 0
        try:
            while part := await payload.readany():
                total += len(part)
                self.held += len(part)
                if total > max_bytes:
                    raise errors.request_too_large(max_bytes)
                if self.held > max_held:
                    raise errors.too_busy()
                parts.append(part)
            return b"".join(parts)
        finally:
            self.held -= total
