"""The clouds' own libraries block: each fetch runs in a thread of its own, in bounded time, and what it asks goes the
gateway's way out: through the guard, by the forward proxy, with the extra certificates."""

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from gateway_proxy.credentials.refusals import Refusal, refusal
from gateway_proxy.outbound.client import Answer, Outbound, OutboundError
from gateway_proxy.upstream.errors import CredentialError

T = TypeVar("T")

REQUEST_SECONDS: Final = 5.0
FETCH_SECONDS: Final = 15.0
"""A whole fetch: up to three requests, each perhaps repeated by its library."""
METADATA_SECONDS: Final = 2.0
"""A metadata service is on the same machine."""
_MAX_BYTES: Final = 256 * 1024
_OF_THE_WAY: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that are made anew where a request goes out."""


class Web:
    """HTTP for a library in a thread. It remembers how its last request ended: libraries' own exceptions tell little of
    it, or too much."""

    def __init__(self, outbound: Outbound, loop: asyncio.AbstractEventLoop, *, direct: Collection[str]) -> None:
        """`direct`: authorities of metadata services, which the guard refuses and no forward proxy may be asked for;
        given for the pod's own identity alone."""
        self._outbound = outbound
        self._loop = loop
        self._direct = direct
        self._deadline = time.monotonic() + FETCH_SECONDS
        self.host = ""
        """Of the last request."""
        self.failure: str | None = None
        """Why it came to nothing."""
        self.refused: Refusal | None = None
        """What its answer said, where that was no success."""

    def request(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Whatever the status. Raises OutboundError."""
        parts = urlsplit(url)
        self.host, self.failure, self.refused = parts.hostname or "", None, None
        sent = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_WAY}
        left = self._deadline - time.monotonic()
        try:
            if left <= 0:
                raise OutboundError(f"no time was left to ask {self.host}", reason="Timeout")
            if parts.scheme == "http" and parts.netloc in self._direct:
                answer = _directly(method, url, sent, body, seconds=min(left, METADATA_SECONDS))
            else:
                answer = self._through_egress(method, url, sent, body, seconds=min(left, REQUEST_SECONDS))
        except OutboundError as error:
            self.failure = str(error)
            raise
        if answer.status >= 400:
            self.refused = refusal(answer)
        return answer

    def _through_egress(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, seconds: float
    ) -> Answer:
        request = self._outbound.request(method, url, headers=headers, body=body, max_bytes=_MAX_BYTES, seconds=seconds)
        try:
            future = asyncio.run_coroutine_threadsafe(request, self._loop)
        except RuntimeError:
            request.close()
            raise OutboundError("the process is ending", reason="Timeout") from None
        try:
            # What is asked has its own end; this is for a loop that has stopped.
            return future.result(seconds + 1)
        except (FutureTimeoutError, CancelledError):
            future.cancel()
            raise OutboundError(f"no answer from {self.host} within {seconds:g} s", reason="Timeout") from None


def _directly(method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, seconds: float) -> Answer:
    """Raises OutboundError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=seconds)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=dict(headers))
        response = connection.getresponse()
        return Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(_MAX_BYTES),
        )
    except (OSError, http.client.HTTPException) as error:
        message = f"no answer from the metadata service at {parts.netloc}: {type(error).__name__}"
        raise OutboundError(message, reason="Connect") from None
    finally:
        connection.close()


class About(NamedTuple):
    """What is said when a fetch fails."""

    what: str
    """Which credential."""
    ways_out: Mapping[str, str] = {}
    """By the code of a refusal; that of "" is for anything else."""
    secrets: Sequence[str] = ()
    """What no text may hold, whoever repeats it."""


async def fetched(work: Callable[[Web], T], *, outbound: Outbound, about: About, direct: Collection[str] = ()) -> T:
    """What `work` returns, done in a thread of its own, never one of the event loop's few. Raises CredentialError:
    whatever a library raises becomes one sentence on what the last request came to, and the way out of it."""
    loop = asyncio.get_running_loop()
    web = Web(outbound, loop, direct=direct)
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work(web)
        except Exception as error:  # noqa: BLE001 - a library's, or a bug: told of as either
            failed = error if isinstance(error, CredentialError) else _failed(error, web, about)
            deliver(partial(done.set_exception, failed))
        else:
            deliver(partial(done.set_result, result))

    def deliver(end: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: the process is ending
            loop.call_soon_threadsafe(lambda: None if done.done() else end())

    threading.Thread(target=run, name="credential", daemon=True).start()
    try:
        async with asyncio.timeout(FETCH_SECONDS + 1):
            return await done
    except TimeoutError as error:
        raise _failed(error, web, about) from None


def _failed(error: Exception, web: Web, about: About) -> CredentialError:
    if web.failure is not None:
        return CredentialError(f"{about.what}: {web.failure}")
    if web.refused is not None:
        return CredentialError(f"{about.what}: {web.host} says {web.refused.told(about.ways_out, about.secrets)}")
    if isinstance(error, TimeoutError):
        asked = f" of {web.host}" if web.host else ""
        return CredentialError(f"{about.what}: no answer{asked} within {FETCH_SECONDS:g} s")
    asked = f" of the answer of {web.host}" if web.host else ""
    message = f"{about.what}: the library could make nothing{asked} ({type(error).__name__})"
    way_out = about.ways_out.get("", "")
    return CredentialError(f"{message}: {way_out}" if way_out else message)
