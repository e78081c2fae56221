"""What the demo upstream says: a Messages API request to the content blocks, stop reason and usage of its answer."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CHARACTERS_PER_TOKEN = 4
"""What a token is worth here. The real tokenizer is not public; only the sums have to be right."""
MAX_QUOTED_CHARACTERS = 200
MAX_SCHEMA_DEPTH = 8

_REMINDER = re.compile(r"<(system-reminder|local-command[\w-]*|command-[\w-]+)>.*?</\1>", re.DOTALL)
_WANTS_TOOL = re.compile(r"\b(?:use|uses|using|call|run|invoke|try)\b|\btools?\b", re.IGNORECASE)
_TOOL_INPUTS: dict[str, dict[str, Any]] = {
    "Bash": {"command": "echo 'hello from the demo upstream'", "description": "Say hello"},
    "Read": {"file_path": "README.md"},
    "Glob": {"pattern": "*"},
    "Grep": {"pattern": "demo"},
    "LS": {"path": "."},
}
"""Harmless calls of the tools that Claude Code offers."""


class RefusedError(Exception):
    """A request that the Messages API would refuse."""

    def __init__(self, message: str, *, status: int = 400, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    id: str = field(default_factory=lambda: f"msg_demo_{secrets.token_hex(10)}")
    model: str
    content: tuple[dict[str, Any], ...]
    stop_reason: str
    input_tokens: int
    output_tokens: int

    def usage(self, output_tokens: int | None = None) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": self.output_tokens if output_tokens is None else output_tokens,
            "service_tier": "standard",
        }

    def message(self) -> dict[str, Any]:
        return self.envelope() | {
            "content": list(self.content),
            "stop_reason": self.stop_reason,
            "usage": self.usage(),
        }

    def envelope(self) -> dict[str, Any]:
        """The message as `message_start` has it."""
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self.usage(1),
        }


def checked(body: bytes) -> dict[str, Any]:
    """The request. Raises RefusedError for what both endpoints refuse."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError("The request body is not valid JSON.") from None
    if not isinstance(request, dict):
        raise RefusedError("The request body must be a JSON object.")
    if not isinstance(request.get("model"), str) or not request["model"]:
        raise RefusedError("model: Field required")
    messages = request.get("messages")
    if not isinstance(messages, list):
        raise RefusedError("messages: Field required")
    if not messages:
        raise RefusedError("messages: at least one message is required")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise RefusedError(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        if not isinstance(message.get("content"), str | list):
            raise RefusedError(f"messages.{number}.content: Input should be a string or a list of blocks")
    return request


def input_tokens(request: Mapping[str, Any]) -> int:
    """The same number from `count_tokens` and in the usage of an answer."""
    counted = [request.get(name) for name in ("system", "messages", "tools")]
    return max(1, sum(_length(value) for value in counted) // CHARACTERS_PER_TOKEN)


def answer(request: Mapping[str, Any]) -> Answer:
    """Raises RefusedError."""
    max_tokens = request.get("max_tokens")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        raise RefusedError("max_tokens: Field required")
    if max_tokens < 1:
        raise RefusedError("max_tokens: Input should be greater than or equal to 1")
    prompt, results = _last_turn(request["messages"])
    content = list(_thoughts(request, prompt))
    tool = None if results else _wanted_tool(request, prompt)
    if tool is not None:
        content.append({"type": "text", "text": f"I am the built-in demo upstream. I call the tool {tool['name']}."})
        content.append(_tool_use(tool, prompt))
        stop_reason = "tool_use"
    else:
        content.append({"type": "text", "text": _text(request, prompt, results)})
        stop_reason = "end_turn"
    tokens = sum(_tokens(block) for block in content)
    if tokens > max_tokens:
        content, stop_reason = _cut(content, max_tokens), "max_tokens"
        tokens = max_tokens
    return Answer(
        model=request["model"],
        content=tuple(content),
        stop_reason=stop_reason,
        input_tokens=input_tokens(request),
        output_tokens=tokens,
    )


def pieces(text: str) -> Iterator[str]:
    """The text word by word; joined they are the text."""
    yield from re.findall(r"\s*\S+|\s+", text)


def _thoughts(request: Mapping[str, Any], prompt: str) -> Iterator[dict[str, Any]]:
    thinking = request.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") not in ("enabled", "adaptive"):
        return
    thought = "" if thinking.get("display") == "omitted" else f"A demo asks {_quoted(prompt)}. I answer as a demo."
    yield {"type": "thinking", "thinking": thought, "signature": secrets.token_urlsafe(48)}


def _text(request: Mapping[str, Any], prompt: str, results: list[str]) -> str:
    schema = _output_schema(request)
    if schema is not None:
        return json.dumps(_sample(schema, MAX_SCHEMA_DEPTH))
    intro = "This is the built-in demo upstream of Claude Gateway Operator, not Claude."
    if results:
        return f"{intro} The tool answered {_quoted(' '.join(results))}. The round trip works."
    return (
        f"{intro} Your request came through the gateway with the model {request['model']}; it said {_quoted(prompt)}. "
        "Give the gateway a provider credential, and Claude answers here."
    )


def _output_schema(request: Mapping[str, Any]) -> dict[str, Any] | None:
    config = request.get("output_config")
    wanted = (config.get("format") if isinstance(config, dict) else None) or request.get("output_format")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    return schema if isinstance(schema, dict) else None


def _last_turn(messages: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """What the user said last, and the results of tools in the last message."""
    last = next((message for message in reversed(messages) if message["role"] == "user"), messages[-1])
    results = [_plain(block.get("content")) for block in _blocks(last) if block.get("type") == "tool_result"]
    for message in reversed(messages):
        said = _REMINDER.sub("", _plain(message["content"])).strip() if message["role"] == "user" else ""
        if said:
            return said, results
    return "", results


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))


def _wanted_tool(request: Mapping[str, Any], prompt: str) -> dict[str, Any] | None:
    """The tool that the request forces, else one that the prompt asks for by name, else any if it says `tool`."""
    offered = request.get("tools")
    tools = (
        [tool for tool in offered if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        if isinstance(offered, list)
        else []
    )
    choice = request.get("tool_choice")
    forced = choice if isinstance(choice, dict) else {}
    if not tools or forced.get("type") == "none":
        return None
    if forced.get("type") == "tool":
        return next((tool for tool in tools if tool["name"] == forced.get("name")), None)
    named = [tool for tool in tools if re.search(rf"\b{re.escape(tool['name'])}\b", prompt, re.IGNORECASE)]
    if forced.get("type") == "any":
        return (named or tools)[0]
    if not _WANTS_TOOL.search(prompt):
        return None
    if named:
        return named[0]
    asks_for_any = re.search(r"\ba tool\b|\btools?\b", prompt, re.IGNORECASE) is not None
    harmless = [tool for tool in tools if tool["name"] in _TOOL_INPUTS]
    return (harmless or tools)[0] if asks_for_any else None


def _tool_use(tool: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    written = _json_object_in(prompt)
    schema = tool.get("input_schema")
    sample = _sample(schema, MAX_SCHEMA_DEPTH) if isinstance(schema, dict) else {}
    chosen = written or _TOOL_INPUTS.get(tool["name"]) or sample
    return {"type": "tool_use", "id": f"toolu_demo_{secrets.token_hex(8)}", "name": tool["name"], "input": chosen}


def _json_object_in(prompt: str) -> dict[str, Any] | None:
    """The first JSON object that the prompt spells out: the tool's input, chosen by the user."""
    start = prompt.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(prompt, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _sample(schema: Mapping[str, Any], levels: int) -> Any:
    """A value that fits a JSON schema well enough for a demo."""
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for member in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(member)
        if isinstance(choices, list) and choices and isinstance(choices[0], dict) and levels:
            return _sample(choices[0], levels - 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        properties = schema.get("properties")
        required = schema.get("required")
        if not levels or not isinstance(properties, dict) or not isinstance(required, list):
            return {}
        wanted = [(name, properties.get(name)) for name in required if isinstance(name, str)]
        return {name: _sample(part, levels - 1) for name, part in wanted if isinstance(part, dict)}
    samples: dict[Any, Any] = {"array": [], "integer": 1, "number": 1, "boolean": False, "null": None}
    return samples.get(kind if isinstance(kind, str) else None, "demo")


def _cut(content: list[dict[str, Any]], max_tokens: int) -> list[dict[str, Any]]:
    """The first text of the answer as far as it goes."""
    text = next(block["text"] for block in content if block["type"] == "text")
    return [{"type": "text", "text": text[: max_tokens * CHARACTERS_PER_TOKEN]}]


def _tokens(block: Mapping[str, Any]) -> int:
    return max(1, _length(block.get("text") or block.get("thinking") or block.get("input")) // CHARACTERS_PER_TOKEN)


def _length(value: Any) -> int:
    if value is None:
        return 0
    return len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line if len(line) <= MAX_QUOTED_CHARACTERS else line[:MAX_QUOTED_CHARACTERS] + "…"}"'
