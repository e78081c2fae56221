"""A request as an upstream received it, and what is wrong with it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

FORWARDED = re.compile(
    r"^(host|content-length|content-type|accept|accept-encoding|user-agent|anthropic-(?!workspace-id$)[a-z0-9-]+"
    r"|x-stainless-[a-z0-9-]+|x-app|x-api-key|authorization)$"
)
"""The only names that a gateway may send to an Anthropic upstream. Everything else of the client's stays behind."""
SINGLE = ("host", "content-length", "content-type", "authorization", "x-api-key", "accept-encoding")
KNOWN_TARGET = re.compile(r"^/v1/messages(/count_tokens)?(\?[!-~]*)?$")


@dataclass(slots=True)
class Received:
    """One request. `hung_up_at` (monotonic seconds) is when its sender left before the answer was whole."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0
    arrived_at: float = 0.0
    hung_up_at: float | None = None
    answered: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.headers}

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def streams(self) -> bool:
        try:
            return bool(self.json().get("stream"))
        except (ValueError, AttributeError, RecursionError):
            return False


@dataclass(frozen=True, slots=True)
class Expected:
    """The credential that an upstream asks for."""

    header: str
    value: str
    beta: str | None = None
    """A capability that must be among `anthropic-beta`."""

    @classmethod
    def api_key(cls, value: str) -> "Expected":
        return cls("x-api-key", value)

    @classmethod
    def oauth(cls, value: str) -> "Expected":
        return cls("authorization", f"Bearer {value}", beta="oauth-2025-04-20")


def problems_of(
    request: Received, *, version: str, expected: list[Expected], host: str, base_path: str = ""
) -> list[str]:
    """What the Anthropic API, being careful, holds against the request."""
    found = common_problems(request, version=version, host=host, streams=request.streams)
    if not (request.target.startswith(base_path) and KNOWN_TARGET.match(request.target.removeprefix(base_path))):
        found.append(f"target {request.target!r}")
    found += unexpected_headers(request, FORWARDED)
    return found + _credential_problems(request, expected)


def unexpected_headers(request: Received, forwarded: re.Pattern[str]) -> list[str]:
    """A problem for each header whose lower-case name a gateway may not send to this provider."""
    return [f"header {name} must not be forwarded" for name in sorted(request.names) if not forwarded.match(name)]


def common_problems(request: Received, *, version: str, host: str, streams: bool) -> list[str]:
    """What no provider takes, or takes and then goes wrong. `streams`: whether a stream is asked for."""
    found = []
    if version != "HTTP/1.1":
        found.append(f"version {version}")
    if request.method != "POST":
        found.append(f"method {request.method}")
    found += [f"{len(request.all(name))} {name} headers" for name in SINGLE if len(request.all(name)) > 1]
    if request.header("host") != host:
        found.append(f"host {request.header('host')!r}, not {host!r}")
    if request.header("content-length") is None:
        found.append("no content-length")
    if streams and request.header("accept-encoding") != "identity":
        found.append(f"a stream asks for accept-encoding {request.header('accept-encoding')!r}")
    return found


def _credential_problems(request: Received, expected: list[Expected]) -> list[str]:
    sent = [(name, value) for name in ("x-api-key", "authorization") for value in request.all(name)]
    match = next((one for one in expected if sent == [(one.header, one.value)]), None)
    if match is None:
        return [f"credential headers {sent!r}"]
    if match.beta and match.beta not in ",".join(request.all("anthropic-beta")):
        return [f"no {match.beta} in anthropic-beta"]
    return []
