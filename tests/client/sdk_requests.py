"""What an official SDK's request says, in a form in which two of them can be compared."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.standins.requests_seen import Received

DECISIVE: Final = ("content-type", "anthropic-version", "anthropic-workspace-id", "anthropic-user-profile-id")
"""Headers whose value decides what an upstream does. A credential's and the betas' are compared by their meaning."""
PIXEL: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n of one pixel").decode()

PLAIN: Final[dict[str, Any]] = {"max_tokens": 64, "messages": [{"role": "user", "content": "Höflich, 1 €"}]}
WEATHER: Final[dict[str, Any]] = {
    "name": "weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALLED: Final[list[dict[str, Any]]] = [
    {"role": "user", "content": "Weather in Ulm?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Ulm"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}]},
]
THOUGHT: Final[list[dict[str, Any]]] = [
    {"role": "user", "content": "And so?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "aGlkZGVu"},
            {"type": "text", "text": "So."},
        ],
    },
    {"role": "user", "content": "Go on."},
]
IMAGE: Final[dict[str, Any]] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}


@dataclass(frozen=True, slots=True)
class Input:
    """What a program gives to `messages.create`, or to `messages.count_tokens`; `beta`: of `client.beta`."""

    given: dict[str, Any]
    beta: bool = True
    counts: bool = False

    def ask(self, client: Any, model: str) -> None:
        messages = client.beta.messages if self.beta else client.messages
        if self.counts:
            messages.count_tokens(model=model, **self.given)
            return
        answer = messages.create(model=model, **self.given)
        if self.given.get("stream"):
            assert [event.type for event in answer][-1] == "message_stop"
        else:
            assert answer.content


INPUTS: Final[dict[str, Input]] = {
    "plain": Input(PLAIN, beta=False),
    "a stream": Input(PLAIN | {"stream": True}, beta=False),
    "tools": Input(PLAIN | {"messages": CALLED, "tools": [WEATHER], "tool_choice": {"type": "auto"}}, beta=False),
    "thinking": Input(
        PLAIN | {"messages": THOUGHT, "max_tokens": 2048, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        beta=False,
    ),
    "numbers": Input(PLAIN | {"stop_sequences": [], "extra_body": {"temperature": 1.0, "top_p": 0.95}}, beta=False),
    "cached system blocks": Input(
        PLAIN
        | {
            "system": [
                {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
            ]
        },
        beta=False,
    ),
    "an image": Input(
        PLAIN | {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "?"}]}]}, beta=False
    ),
    "betas": Input(
        PLAIN
        | {
            "betas": ["context-management-2025-06-27", "effort-2025-11-24"],
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "medium"},
        }
    ),
    "a stream with betas": Input(PLAIN | {"stream": True, "betas": ["interleaved-thinking-2025-05-14"]}),
    "a profile": Input(PLAIN | {"user_profile_id": "uprof_011CZkZq"}),
    "what no SDK knows yet": Input(PLAIN | {"extra_body": {"field_of_next_year": {"a": [1.5, None]}}}, beta=False),
    "a count": Input({"messages": CALLED, "tools": [WEATHER]}, beta=False, counts=True),
    "a count with betas": Input(
        {"messages": CALLED, "tools": [WEATHER], "betas": ["context-management-2025-06-27"]}, counts=True
    ),
}


@dataclass(slots=True)
class Asked:
    """A request, without what differs from one call to the next and without the client's own name."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    betas: list[str] = field(default_factory=list)
    credential: list[str] = field(default_factory=list)
    """How the request proves who asks."""


def asked(request: Received) -> Asked:
    parts = urlsplit(request.target)
    return Asked(
        method=request.method,
        path=unquote(parts.path),
        query=parse_qsl(parts.query, keep_blank_values=True),
        body=request.json(),
        headers={name: value for name in DECISIVE if (value := request.header(name)) is not None},
        betas=[name.strip() for value in request.all("anthropic-beta") for name in value.split(",")],
        credential=sorted(_credential(name, value) for name, value in request.headers if _is_credential(name)),
    )


def _is_credential(name: str) -> bool:
    return name.lower() in ("authorization", "x-api-key", "api-key")


def _credential(name: str, value: str) -> str:
    """A signature and a token that is renewed by what they are for; any other credential as it is."""
    if value.startswith("Bearer ya29."):
        return f"{name.lower()}: a token of Google's"
    signed = re.search(r"^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^,]+),", value)
    return f"{name.lower()}: " + (f"signed by {signed[1]} for {signed[2]}" if signed else value)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the gateway sends in another way than the provider's SDK, on purpose."""

    reason: str
    make: Callable[[Asked], None]
    """Turns what the SDK sent into what the gateway sends."""

    def applied(self, request: Asked) -> Asked:
        other = copy.deepcopy(request)
        self.make(other)
        return other
