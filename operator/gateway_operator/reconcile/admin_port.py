"""Asking a proxy pod which configuration it has loaded."""

import asyncio
import os
import re
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from gateway_operator.children.subject import ADMIN_PORT
from gateway_operator.compiler.findings import printable

TIMEOUT_SECONDS: Final = 1.0
"""From the first byte sent to the last one read, connecting included."""
_MOST_BYTES: Final = 64 * 1024
_REVISION: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_LONGEST_ERROR: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one pod said, or why it said nothing. Holds no token and no credential."""

    answered: bool
    """Whether a status came that can be believed."""
    reached: bool = False
    """Whether anything answered at the address; a refused token is such a case."""
    sequence: int | None = None
    """Of the loaded configuration; None: it has none yet."""
    revision: str | None = None
    error: str = ""
    """Why the newest configuration is not in force, or why there is no status: one line, safe to show."""


class AdminPort:
    """One HTTP session for the admin ports of all pods. Pods are asked directly, never through a proxy, and a redirect
    is never followed: the token goes to the address of the pod alone."""

    def __init__(self, *, port: int = ADMIN_PORT, timeout: float = TIMEOUT_SECONDS) -> None:
        self._port = port
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._seconds = timeout
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, ip: str, *, token: str) -> Answer:
        """Never raises for what a pod or the network does."""
        host = f"[{ip}]" if ":" in ip else ip
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        session = self._opened()
        try:
            async with session.get(
                f"http://{host}:{self._port}/status", headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                body = await _bounded(response.content)
                return _answer(response.status, body)
        except TimeoutError:
            return Answer(answered=False, error=f"no answer within {self._seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(answered=False, error=_why_not(error))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=5),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,  # the cluster's own addresses
            )
        return self._session


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(body)


def _answer(status: int, body: bytes) -> Answer:
    if status == 401:
        return Answer(answered=False, reached=True, error="it refuses the operator's token")
    if status != 200:
        return Answer(answered=False, reached=True, error=f"its admin port answers {status}")
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        return Answer(answered=False, reached=True, error="its admin port answers with something else than a status")
    sequence, revision = document.get("sequence"), document.get("revision")
    known = isinstance(revision, str) and _REVISION.fullmatch(revision) is not None
    return Answer(
        answered=True,
        reached=True,
        sequence=sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None,
        revision=revision if known else None,
        error=_load_error(document.get("last_error")),
    )


def _load_error(error: Any) -> str:
    if not isinstance(error, dict):
        return ""
    text = printable(f"{error.get('reason') or 'Error'}: {error.get('message') or ''}")
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"


def _why_not(error: Exception) -> str:
    """In words that stay the same from one attempt to the next."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"not connected: {os.strerror(number) if number else type(error.os_error).__name__}"
    if isinstance(error, asyncio.IncompleteReadError | aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return "the connection was cut"
    return f"no answer: {type(error).__name__}"
