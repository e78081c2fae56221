"""Requests as Claude Code sends them: its members, their order, its headers, compact JSON."""

import json
from typing import Any

MODEL = "claude-sonnet-5-5"

_FILE = (
    'import json\nfrom pathlib import Path\n\n\ndef load(path: str) -> dict[str, "object"]:\n\t"""Read it."""\n'
    '\ttext = Path(path).read_text(encoding="utf-8")\n\treturn json.loads(text)  # “quotes”, ünïcode, \\back\\slashes\n'
)


def headers(key: str) -> list[str]:
    """Header lines without host, content-type and content-length, which the generator writes."""
    return [
        "accept: application/json",
        "accept-encoding: identity",
        f"authorization: Bearer {key}",
        "anthropic-version: 2023-06-01",
        "anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
        "anthropic-dangerous-direct-browser-access: true",
        "user-agent: claude-cli/2.1.330 (external, cli)",
        "x-app: cli",
        "x-claude-code-session-id: 5b3c9a52-4e0c-4a5a-9d57-0c6a1a3f7e11",
        "x-stainless-arch: x64",
        "x-stainless-lang: js",
        "x-stainless-os: Linux",
        "x-stainless-package-version: 0.70.0",
        "x-stainless-retry-count: 0",
        "x-stainless-runtime: node",
        "x-stainless-runtime-version: v24.3.0",
        "x-stainless-timeout: 600",
        "connection: keep-alive",
    ]


def small(size: int = 1024) -> bytes:
    """One short question, `size` bytes in all."""
    return _fitted(size, messages=[], system=[{"type": "text", "text": "You are Claude Code."}], tools=[])


def large(size: int = 200 * 1024) -> bytes:
    """A long session: tools with schemas, turns of tool use, file contents full of escapes; `size` bytes in all."""
    messages: list[dict[str, Any]] = []
    used = 0
    while used < size - 60_000:
        turn = _turn(len(messages) // 2)
        used += sum(len(_compact(message)) + 1 for message in turn)
        messages += turn
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are Claude Code.\n\n" + "# Tone\nBe exact, and say so when you are not.\n" * 250},
    ]
    return _fitted(size, messages=messages, system=system, tools=[_tool(number) for number in range(24)])


def stream(*, events: int, interval_seconds: float) -> bytes:
    """A streaming request that asks the stand-in upstream for `events` text events so far apart."""
    return _fitted(1024, messages=[], system=[], tools=[], stream=(events, interval_seconds))


def _turn(number: int) -> list[dict[str, Any]]:
    call = f"toolu_{number:024}"
    code = _FILE * (1 + number % 7)
    return [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "The file first.\n" * 3, "signature": "EqQBCkYIBxgCKkA" * 12},
                {"type": "text", "text": f'I\'ll read "module_{number}.py".'},
                {
                    "type": "tool_use",
                    "id": call,
                    "name": "Agent",
                    "input": {
                        "model": "haiku",
                        "prompt": f"Read C:\\src\\module_{number}.py",
                        "max_tokens": 100 + number,
                    },
                },
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": code}]},
    ]


def _tool(number: int) -> dict[str, Any]:
    return {
        "name": "Agent" if number == 0 else f"mcp__tracker__operation_{number}",
        "description": "Does one thing.\n\nUsage:\n" + f"- Pass \"id\" {number}, never a path like 'C:\\temp'.\n" * 25,
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "model": {"type": "string", "enum": ["sonnet", "opus", "haiku"], "description": "Which model."},
                "stream": {"type": "boolean"},
                "options": {
                    "type": "object",
                    "properties": {"model": {"type": "string"}},
                    "additionalProperties": False,
                },
            },
            "required": ["model"],
            "additionalProperties": False,
        },
    }


def _fitted(size: int, *, messages: list[Any], system: list[Any], tools: list[Any], stream: Any = None) -> bytes:
    """The request with a last question just long enough for `size` bytes."""
    events, interval = stream or (32_000, 0)
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [*messages, {"role": "user", "content": [{"type": "text", "text": ""}]}],
        "system": system,
        "tools": tools,
        "metadata": {"user_id": f"user_0_account__session_5b3c9a52 interval_us={round(interval * 1e6)}"},
        "max_tokens": events,
        "stream": stream is not None,
    }
    missing = size - len(_compact(body))
    if missing < 0:
        raise ValueError(f"the request is {-missing} bytes over {size}")
    body["messages"][-1]["content"][0]["text"] = ("why is this slow? " * (missing // 18 + 1))[:missing]
    return _compact(body)


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
