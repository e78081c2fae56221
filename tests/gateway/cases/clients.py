"""The two kinds of client that a gateway has, and the requests that Claude Code 2.1.330 makes as either of them.

`tests/client/test_two_kinds.py` holds what is written here against the real client.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.standins import framing
from tests.standins.gateway import Gateway
from tests.standins.providers import MESSAGES, MODEL
from tests.standins.raw_client import Connection, Response, connect, fetch, request_bytes

SESSION: Final = "5c4074d9-c702-47f9-afed-3a5e28b19b5a"

SIGNED_IN: Final = "signed in"
POINTED_AT: Final = "pointed at"
KINDS: Final = (SIGNED_IN, POINTED_AT)

BETAS: Final[Mapping[str, tuple[str, ...]]] = {
    SIGNED_IN: (
        "claude-code-20250219",
        "interleaved-thinking-2025-05-14",
        "thinking-token-count-2026-05-13",
        "tool-search-tool-2025-10-19",
        "effort-2025-11-24",
    ),
    POINTED_AT: (
        "claude-code-20250219",
        "interleaved-thinking-2025-05-14",
        "context-management-2025-06-27",
        "per-turn-control-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "thinking-token-count-2026-05-13",
        "advanced-tool-use-2025-11-20",
        "effort-2025-11-24",
    ),
}
"""What `anthropic-beta` names, in this order."""

MEMBERS: Final[Mapping[str, Mapping[str, Any]]] = {
    SIGNED_IN: {},
    POINTED_AT: {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
}
"""What the body has of one kind only."""

BILLING: Final[Mapping[str, str]] = {
    SIGNED_IN: "x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=sdk-cli; cc_gateway=1;",
    POINTED_AT: "x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=sdk-cli;",
}
"""The first system block: who is billed, as the client tells it in a line of text."""

USER_AGENT: Final = "claude-cli/2.1.330 (external, sdk-cli)"
CLIENT_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-lang", "js"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-package-version", "0.128.0"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-runtime", "node"),
    ("x-stainless-runtime-version", "v26.12.1"),
    ("x-stainless-timeout", "600"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-version", "2023-06-01"),
    ("x-app", "cli"),
    ("x-claude-code-session-id", SESSION),
)


@dataclass(frozen=True, slots=True)
class Client:
    """One client at a gateway."""

    kind: str
    gateway: Gateway
    bearer: str = field(repr=False)
    user: str
    """As audit lines call it."""

    @property
    def betas(self) -> tuple[str, ...]:
        return BETAS[self.kind]

    def headers(
        self, *, betas: Sequence[str] | None = None, user_agent: str = USER_AGENT, more: framing.Headers = ()
    ) -> list[tuple[str, str]]:
        """`betas`: None for its own."""
        named = self.betas if betas is None else betas
        return [
            ("authorization", f"Bearer {self.bearer}"),
            ("user-agent", user_agent),
            *CLIENT_HEADERS,
            *([("anthropic-beta", ",".join(named))] if named else []),
            *framing.pairs(more),
        ]

    def value(self, **changes: Any) -> dict[str, Any]:
        """A request's body; `changes` replace its members."""
        cached = {"type": "ephemeral"}
        tool = {"name": "Bash", "description": "Runs a command", "input_schema": {"type": "object"}}
        return {
            "model": MODEL,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "<system-reminder>\nBe brief.\n</system-reminder>"},
                        {"type": "text", "text": "Say hello"},
                        {"type": "text", "text": "# Environment\nLinux", "cache_control": cached},
                    ],
                }
            ],
            "system": [
                {"type": "text", "text": BILLING[self.kind]},
                {"type": "text", "text": "You are a Claude agent.", "cache_control": cached},
                {"type": "text", "text": "\nYou work with the user toward their goals.", "cache_control": cached},
            ],
            "tools": [tool, tool | {"name": "DeferredToolPlaceholder", "defer_loading": True}],
            "metadata": {"user_id": json.dumps({"device_id": "f9a2", "account_uuid": "", "session_id": SESSION})},
            "max_tokens": 128000,
            "thinking": {"type": "adaptive", "display": "omitted"},
            **MEMBERS[self.kind],
            "output_config": {"effort": "medium"},
            "stream": True,
            **changes,
        }

    def body(self, **changes: Any) -> bytes:
        """Written as no serialiser of a gateway's would: a change that nobody asked for shows."""
        return json.dumps(self.value(**changes), ensure_ascii=False, separators=(" , ", " : ")).encode()

    def ask(
        self,
        body: bytes | None = None,
        *,
        target: str = MESSAGES,
        betas: Sequence[str] | None = None,
        headers: framing.Headers = (),
    ) -> Response:
        """One request; without a body its own."""
        return self.send(self.headers(betas=betas, more=headers), body, target=target)

    def send(self, headers: framing.Headers, body: bytes | None = None, *, target: str = MESSAGES) -> Response:
        """The same with headers of the test's own."""
        return fetch(self.gateway.port, "POST", target, headers=headers, body=self.body() if body is None else body)

    def get(self, target: str, *, headers: framing.Headers | None = None) -> Response:
        """`headers`: None for its bearer."""
        given = [("authorization", f"Bearer {self.bearer}")] if headers is None else headers
        return fetch(self.gateway.port, "GET", target, headers=given)

    @contextmanager
    def begun(self, body: bytes | None = None) -> Iterator[Connection]:
        """Sends a request and leaves the answer to be read; at the end the client is gone."""
        with connect(self.gateway.port) as connection:
            connection.send(request_bytes("POST", MESSAGES, self.headers(), self.body() if body is None else body))
            yield connection

    def line_of(self, answer: Response) -> dict[str, Any]:
        """The audit line of its request."""
        line = self.gateway.audit_of(answer)
        assert line["sub"] == self.user, line
        return line
