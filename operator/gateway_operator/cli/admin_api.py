"""The Admin API of a running gateway, for commands: who asks, and what each failure means."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlencode, urlsplit

from gateway_config import server_certificates
from gateway_operator.cli.output import Exit, fail

URL_VARIABLE: Final = "CLAUDE_GATEWAY_URL"
KEY_VARIABLE: Final = "CLAUDE_GATEWAY_ADMIN_KEY"
KEY_PREFIX: Final = "cga_"
TIMEOUT_SECONDS: Final = 30
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
PAGE: Final = 200
"""Rows asked for at once."""
MAX_MESSAGE: Final = 500


class AdminAPI:
    """Every failure ends the command with one line; the key is in none of them."""

    def __init__(self, url: str | None, key: str | None, *, ca_file: Path | None = None) -> None:
        """`key`: an admin key, or the session token of somebody in an admin group."""
        self._url = _checked_url(url)
        self._headers = _credential(key) | {"accept": "application/json"}
        handlers = [_NoRedirects(), urllib.request.HTTPSHandler(context=_tls(ca_file))]
        if _is_loopback(self._url):
            handlers.append(urllib.request.ProxyHandler({}))  # a forward proxy would read the key
        self._opener = urllib.request.build_opener(*handlers)

    def rows(self, path: str, query: Mapping[str, str], *, limit: int | None) -> Iterator[dict[str, Any]]:
        """Of a list, page by page, at most `limit`."""
        after: Any = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            paging = {"limit": str(size)} if after is None else {"limit": str(size), "after_id": str(after)}
            page = self.call("GET", path, query={**query, **paging})
            rows = page.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                self._unintelligible()
            yield from rows if left is None else rows[:left]
            left = None if left is None else left - len(rows)
            if not page.get("has_more") or not rows or page.get("last_id") in (None, after):
                return
            after = page["last_id"]

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """One request; the JSON object of its answer."""
        address = f"{self._url}{path}{'?' + urlencode(query) if query else ''}"
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "content-type": "application/json"}
        request = urllib.request.Request(address, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                answer = json.loads(response.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as refusal:
            with refusal:
                fail(_refused(refusal.code, _message(refusal.read(MAX_ANSWER_BYTES)), self._url))
        except urllib.error.URLError as problem:
            fail(f"{self._url} cannot be reached: {problem.reason}")
        except (OSError, http.client.HTTPException) as problem:
            fail(f"{self._url} cannot be reached: {str(problem) or type(problem).__name__}")
        except ValueError:
            self._unintelligible()
        if not isinstance(answer, dict):
            self._unintelligible()
        return answer

    def _unintelligible(self) -> NoReturn:
        fail(f"{self._url} does not answer as a gateway's Admin API: check --url or {URL_VARIABLE}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to an address that nobody named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _checked_url(url: str | None) -> str:
    if not url:
        fail(f"say which gateway: --url, or its public URL in {URL_VARIABLE}", code=Exit.UNREADABLE)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
        sound = sound and not (parts.query or parts.fragment or parts.username or parts.password)
        _ = parts.port
    except ValueError:
        sound = False
    if not sound:
        fail(f"{url}: must be the gateway's public URL, such as https://claude.corp.example", code=Exit.UNREADABLE)
    if parts.scheme == "http" and not _is_loopback(url):
        fail(f"{url}: the key would travel readable for everybody; write https://", code=Exit.UNREADABLE)
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _credential(key: str | None) -> dict[str, str]:
    key = (key or "").strip()
    if not key:
        fail(
            f"the environment variable {KEY_VARIABLE} is not set: put an admin key there, made by "
            "`claude-gateway key create --admin`, or the session token of an admin group's member",
            code=Exit.UNREADABLE,
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        fail(f"the environment variable {KEY_VARIABLE} does not hold a key", code=Exit.UNREADABLE)
    return {"x-api-key": key} if key.startswith(KEY_PREFIX) else {"authorization": f"Bearer {key}"}


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = server_certificates.trusting()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as problem:
            reason = problem.strerror if isinstance(problem, FileNotFoundError) else "holds no certificates in PEM form"
            fail(f"--ca-file {ca_file}: {reason}", code=Exit.UNREADABLE)
    return context


def _message(raw: bytes) -> str:
    """What a refusal says, in one printable line."""
    try:
        answer: Any = json.loads(raw)
        text = str(answer["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return "it does not say why"
    line = " ".join(text.split())[:MAX_MESSAGE]
    return "".join(character if character.isprintable() else "?" for character in line)


def _refused(status: int, message: str, url: str) -> str:
    match status:
        case 401:
            return f"the gateway does not take the key in {KEY_VARIABLE}: {message}"
        case 403:
            return f"not allowed with this key: {message}"
        case 503:
            return f"the gateway cannot do that now: {message}"
    if 300 <= status < 400:
        return f"{url} redirects elsewhere, where the key is not sent: take that address as --url"
    return f"the gateway answers {status}: {message}"
