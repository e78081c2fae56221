"""HTTP to the API server: one session, credentials as they rotate, what is repeated and what is not."""

import asyncio
import contextlib
import enum
import logging
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from gateway_operator.kube.connection import Access, Connection
from gateway_operator.kube.errors import KubeError, UnavailableError, refusal
from gateway_operator.kube.sockets import Sockets

_logger = logging.getLogger(__name__)

JSON: Final = "application/json"
USER_AGENT: Final = "claude-gateway-operator"
CONCURRENT_REQUESTS: Final = 32
"""Open requests at once, watches aside: priority and fairness of a small API server gives one client about as many."""
REQUEST_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 10.0
"""A request is not begun anew later than this after its first attempt. A new CRD's storage needs about one second."""
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 2.0
_LONGEST_EVENT: Final = 32 * 1024 * 1024
"""Bytes of one watch event. etcd holds at most 1.5 MB of an object."""


class Repeat(enum.Enum):
    """After what a request may be sent again."""

    READ = "429, 5xx, a lost connection"
    IDEMPOTENT = "429, a lost connection"
    UNSENT = "429, a connection that was never made"


class Transport:
    """Raises `UnavailableError` for whatever is not an answer, and the errors of `errors.refusal` for a refusal."""

    def __init__(
        self, access: Access, *, retry_seconds: float = RETRY_SECONDS, request_seconds: float = REQUEST_SECONDS
    ) -> None:
        self.access = access
        self._retry_seconds = retry_seconds
        self._request_seconds = request_seconds
        self._slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        repeat: Repeat,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> Any:
        """The parsed JSON of an accepted request, or the text of an answer that does not claim to be JSON."""
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": accept}
        data: bytes | None = None
        if body is not None:
            data = orjson.dumps(body)
            headers["Content-Type"] = content_type
        loop = asyncio.get_running_loop()
        until = loop.time() + self._retry_seconds
        delay = _FIRST_DELAY
        while True:
            try:
                async with self._slots:
                    return await self._attempt(method, path, target, data, headers)
            except _UnsentError as error:
                failure: KubeError = error
            except UnavailableError as error:
                if not _may_repeat(error, repeat):
                    raise
                failure = error
            pause = max(failure.retry_after or 0.0, delay * random.uniform(0.5, 1.5))
            if loop.time() + pause > until:
                raise failure
            await asyncio.sleep(pause)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _attempt(
        self, method: str, path: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Any:
        request = f"{method} {path}"
        try:
            async with (
                asyncio.timeout(self._request_seconds),
                self._answered(method, target, data=data, headers=headers) as response,
            ):
                raw = await response.read()
                return _body(request, response, raw)
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(request, error) from error

    @contextlib.asynccontextmanager
    async def _answered(
        self, method: str, target: str, *, data: bytes | None = None, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer's head has come. Credentials that are refused are read anew and tried once more."""
        connection = await self.access.connection()
        response = await self._send(connection, method, target, data, headers)
        if response.status == 401:
            await response.read()
            renewed = await self.access.connection(refused=connection)
            if renewed != connection:
                response = await self._send(renewed, method, target, data, headers)
        try:
            for warning in response.headers.getall("Warning", ()):
                _logger.debug("%s %s: the API server warns: %s", method, target.partition("?")[0], warning)
            yield response
        finally:
            # A body that was read to its end has given its connection back already. Any other ends with it, at once:
            # to end TLS in order would wait for a server that may be silent.
            if response.connection and response.connection.transport:
                response.connection.transport.abort()
            response.close()

    async def _send(
        self, connection: Connection, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = new_session()
        # Compression costs the API server more than it saves on a network inside a cluster
        headers = {**headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if connection.authorization:
            headers["Authorization"] = connection.authorization
        return await self._session.request(
            method,
            URL(connection.server + target, encoded=True),
            data=data,
            headers=headers,
            ssl=connection.tls if connection.tls is not None else True,
            server_hostname=connection.server_name,
            proxy=connection.proxy,
            allow_redirects=False,
        )

    async def lines(self, path: str, *, query: Mapping[str, str], accept: str, seconds: float) -> AsyncGenerator[Any]:
        """The JSON values of a stream, one a line, until it ends by itself; one attempt.

        The first byte of the head must come within the time of a request. Raises `UnavailableError` when the stream is
        cut, when it is no JSON, or when it is still open after `seconds`.
        """
        request = f"GET {path}"
        until = asyncio.get_running_loop().time() + seconds
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._request_seconds):
                    answered = self._answered("GET", f"{path}?{urlencode(query)}", headers={"Accept": accept})
                    response = await stack.enter_async_context(answered)
                    if response.status != 200:
                        _body(request, response, await response.read())
                        raise UnavailableError(f"{request}: {response.status}: no stream", status=response.status)
                async for line in _lines(response.content, until=until):
                    yield _parsed(request, line)
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(request, error) from error


class _UnsentError(UnavailableError):
    """Nothing of the request has reached a server: it may be sent again whatever it is."""


def _may_repeat(error: UnavailableError, repeat: Repeat) -> bool:
    if error.status == 429:  # turned away before anything was done
        return True
    if error.status:
        return repeat is Repeat.READ
    return repeat is not Repeat.UNSENT


def _lost(request: str, error: Exception) -> UnavailableError:
    what = str(error) or type(error).__name__
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ServerTimeoutError):
        return UnavailableError(f"{request}: no answer in time", reason="Timeout")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorError):
        return _UnsentError(f"{request}: not connected: {what}", reason="NotConnected")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _UnsentError(f"{request}: not connected in time", reason="NotConnected")
    return UnavailableError(f"{request}: connection lost: {what}", reason="ConnectionLost")


def _body(request: str, response: aiohttp.ClientResponse, raw: bytes) -> Any:
    claims_json = response.content_type == JSON
    if response.status < 300:
        return _parsed(request, raw) if claims_json else raw.decode(errors="replace")
    body: Any = raw.decode(errors="replace")
    if claims_json:
        with contextlib.suppress(orjson.JSONDecodeError):
            body = orjson.loads(raw)
    raise refusal(request, response.status, body, retry_after=_seconds(response.headers.get("Retry-After", "")))


def _parsed(request: str, raw: bytes | bytearray) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # without the cause: it holds the document, which may be a Secret
        raise UnavailableError(f"{request}: the answer is no JSON ({len(raw)} bytes)", reason="BadAnswer") from None


def _seconds(retry_after: str) -> float | None:
    # The API server sends whole seconds, never a date
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


async def _lines(content: aiohttp.StreamReader, *, until: float) -> AsyncIterator[bytes]:
    """Whole lines, until the loop's time `until`. A last one without its end was cut, and is dropped.

    Only the wait for bytes is timed: a time-out around a `yield` would cancel whatever the consumer waits for.
    """
    buffer = bytearray()
    while True:
        async with asyncio.timeout_at(until):
            chunk = await content.readany()
        if not chunk:
            return
        searched = len(buffer)
        buffer += chunk
        begin = 0
        while (end := buffer.find(b"\n", max(begin, searched))) >= 0:
            if line := bytes(buffer[begin:end]).strip():
                yield line
            begin = end + 1
        del buffer[:begin]
        if len(buffer) > _LONGEST_EVENT:
            raise aiohttp.ClientPayloadError(f"a line of more than {_LONGEST_EVENT} bytes")


class _Connector(aiohttp.TCPConnector):
    """No socket outlives it, whoever closes its session: kopf closes that of its own requests by itself."""

    def __init__(self, **settings: Any) -> None:
        self._sockets = Sockets()
        super().__init__(socket_factory=self._sockets, **settings)

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        await self._sockets.end()


def new_session(*, tls: ssl.SSLContext | None = None, **more: Any) -> aiohttp.ClientSession:
    """A session for one API server, without limit of connections and without any time-out but that of connecting."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, ssl=tls if tls is not None else True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        **more,
    )
