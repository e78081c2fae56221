"""What the Messages API says: messages, and the server-sent events that build them."""

import json
from typing import Any

USAGE: dict[str, Any] = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 4000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 1,
    "service_tier": "standard",
}
OUTPUT_TOKENS = 37


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def thinking(value: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": "c2lnbmF0dXJlLW9mLXRoZS10aG91Z2h0"}


def tool_use(name: str, tool_input: dict[str, Any], *, use_id: str = "toolu_01standin") -> dict[str, Any]:
    return {"type": "tool_use", "id": use_id, "name": name, "input": tool_input}


def message(*content: dict[str, Any], model: str = "claude-sonnet-5-5", output_tokens: int = 37) -> dict[str, Any]:
    """A whole message, as a request without `stream` gets it."""
    blocks = list(content) or [text("Hello from the upstream.")]
    stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    return {
        "id": "msg_01standin",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": USAGE | {"output_tokens": output_tokens},
    }


def event(name: str, value: Any) -> bytes:
    """One event. `value` may be bytes, to send what is no JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


PING = event("ping", {"type": "ping"})


def events(*content: dict[str, Any], model: str = "claude-sonnet-5-5", output_tokens: int = 37) -> list[bytes]:
    """The events that build `message(*content)`, each text cut in two."""
    whole = message(*content, model=model, output_tokens=output_tokens)
    begun = whole | {"content": [], "stop_reason": None, "usage": USAGE}
    out = [event("message_start", {"type": "message_start", "message": begun}), PING]
    for index, block in enumerate(whole["content"]):
        out += _block_events(index, block)
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    out.append(
        event("message_delta", {"type": "message_delta", "delta": ended, "usage": {"output_tokens": output_tokens}})
    )
    out.append(event("message_stop", {"type": "message_stop"}))
    return out


def _block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    match block["type"]:
        case "text":
            empty = block | {"text": ""}
            deltas = [{"type": "text_delta", "text": part} for part in _halves(block["text"])]
        case "thinking":
            empty = block | {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": part} for part in _halves(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            empty = block | {"input": {}}
            written = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *_halves(written))]
        case _:
            empty, deltas = block, []
    start = event("content_block_start", {"type": "content_block_start", "index": index, "content_block": empty})
    middle = [
        event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        for delta in deltas
    ]
    return [start, *middle, event("content_block_stop", {"type": "content_block_stop", "index": index})]


def _halves(value: str) -> list[str]:
    middle = (len(value) + 1) // 2
    return [part for part in (value[:middle], value[middle:]) if part]


def model_list(*ids: str) -> dict[str, Any]:
    return {
        "data": [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in ids
        ],
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }
