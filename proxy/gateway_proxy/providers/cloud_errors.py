"""What clients are told of the errors of clouds, whose own words may name accounts, roles and projects.

Which status becomes which, and the texts of clouds that a `capability_rejected` token stands for, were seen at
Anthropic's own gateway in November 2026; on purpose otherwise: `retry-after` stays, an upstream at capacity is 529, and
what AWS says of itself with 400, 408 and 424 is the upstream's trouble. Clients act on the tokens, and on what is said
of a conversation that is too long. What the client is not told of what an upstream said is in the operational log,
beside the request's id and the one that the upstream gave it.
"""

import json
import re
from typing import Any, Final, NamedTuple

import msgspec

from gateway_proxy import errors, failure_answers
from gateway_proxy.errors import GatewayError
from gateway_proxy.providers import told_errors
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_names import Names
from gateway_proxy.upstream.head import ResponseHead

_READ_BYTES: Final = 64 * 1024
"""Of an error's body; what is longer is no error that these rules know."""
_MESSAGE_CHARACTERS: Final = 16 * 1024

_NO_RETRY: Final = (b"x-should-retry", b"false")

_PLAIN: Final = frozenset({402, 405, 408, 409, 422, 424, 499})
_CAPACITY: Final = frozenset({503, 529})
_LIMITS: Final = frozenset({"servicequotaexceededexception"})
"""What AWS says with status 400 where others say 429."""
_TROUBLE: Final = frozenset({"modeltimeoutexception", "modelerrorexception", "modelstreamerrorexception"})
"""What it says with 408 and 424, and is its own trouble all the same."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_TOO_LONG_REQUEST: Final = _any(r"\Athe (?:request|message) size\b")
_BETA: Final = re.compile(
    r"unexpected value\(s\) [`'\"]?([A-Za-z0-9._-]{1,100}).{0,2000}?\banthropic-beta\b", re.I | re.S
)
_UNKNOWN_MODEL: Final = _any(r"the provided model identifier is invalid")
_TOKENS: Final = (
    (_any(r"input is too long for requested model", r"prompt is too long"), "prompt_too_long"),
    (
        _any(r"input length and .{0,3}max_tokens.{0,3} exceed"),
        "max_tokens_context_overflow",
    ),
    (
        _any(
            r"invalid .{0,3}signature.{0,3} in .{0,3}thinking",
            r"thinking\.signature",
            r"thinking.{0,60}blocks.{0,200}cannot be modified",
        ),
        "thinking_signature",
    ),
    (
        _any(
            r"adaptive thinking is not supported",
            r"thinking\.type.{0,60}adaptive.{0,60}not supported",
            r"input tag 'adaptive'",
        ),
        "thinking_type:adaptive",
    ),
    (
        _any(
            r"output_config\.effort\b",
            r"output_config: extra inputs",
            r"\beffort\b.{0,60}(?:not support|unsupported)",
            r"(?:not support|unsupported).{0,60}\beffort\b",
        ),
        "effort_unsupported",
    ),
    (_any(r"role .{0,3}system.{0,3} is not supported", r"unexpected role .{0,3}system"), "mid_conv_system"),
    (_any(r"input tag 'document'", r"\.document\b", r"\bpdf\b"), "document_block"),
    (_any(r"input tag 'image'", r"\.image\b", r"\bimages?\b"), "image_block"),
    (_any(r"\bdocuments?\b"), "document_block"),
)
"""In this order: the first that is found in the text is what was rejected."""


class Told(NamedTuple):
    """An error as its upstream told it."""

    code: str
    """AWS's name for it in lower case; empty where there is none."""
    message: str
    """Empty for what is no error in any form known."""
    enveloped: bool
    """Whether it is an error of the Messages API, in its own envelope."""
    request_id: str


def told(head: ResponseHead, body: bytes) -> Told:
    """Reads an error of any cloud: the Messages API's envelope, bare or as the text of another error; AWS's `message`
    with the type in a header; Google's and Azure's `error` object, in an array or not."""
    code = (head.get(b"x-amzn-errortype") or b"").decode("latin-1").partition(":")[0]
    found = _parsed(body)
    message, enveloped, request_id = _message_of(found)
    if not enveloped and message.startswith("{"):
        inner = _message_of(_parsed(message.encode("utf-8", "replace")))
        if inner[1]:
            message, enveloped, request_id = inner
    if not code and isinstance(found, dict) and isinstance(found.get("__type"), str):
        code = found["__type"].rpartition("#")[2]
    return Told(code.strip().lower(), message, enveloped, request_id)


def translated(names: Names, call: Call, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
    """An error of the binding with these names, as the client gets it."""
    said = told(head, body)
    error = _error(names, call, head.status, said)
    # What the client is told to the letter need not lie in a log too: a refusal may quote the conversation.
    whole = said.enveloped and error.message == said.message
    text = "in the upstream's own words" if whole else told_errors.text_of(body)
    ids = [said.request_id] if said.request_id else []
    told_errors.log_error(names.upstream, call.request_id, head, text, told=error.status, ids=ids)
    kept = told_errors.kept_headers(head)
    if error.status in (401, 403, 501) and head.get(b"x-should-retry") is None:
        kept.append(_NO_RETRY)
    return ResponseHead.answered(error.status, *kept), errors.envelope(error, call.request_id)


def _error(names: Names, call: Call, status: int, said: Told) -> GatewayError:
    if said.code in _LIMITS:
        status = 429
    elif said.code in _TROUBLE:
        status = 502
    if said.enveloped and status in (400, 413):
        return _made(status, names.withheld(said.message[:_MESSAGE_CHARACTERS]))
    if status == 400:
        return _made(400, _rejection(names.provider, call, said.message))
    if status in _CAPACITY:
        return failure_answers.overloaded()
    if status in _PLAIN:
        return _made(status, "the upstream failed on this request", kind="api_error")
    if status in _OTHERS:
        return _made(status, _OTHERS[status])
    if status < 500:
        return _made(status, "the upstream refused this request", kind="api_error")
    return _made(502, "the upstream failed: try again")


_OTHERS: Final = {
    401: "the upstream refused the gateway's credential: tell your gateway's administrator",
    403: "the upstream does not let this gateway do that: tell your gateway's administrator",
    404: "the upstream does not have what was asked for, the model perhaps: tell your gateway's administrator",
    413: "the request is larger than the upstream takes: shorten the conversation (/compact in Claude Code)",
    429: "the upstream's rate limit is reached: try again later",
    501: "the upstream does not serve this path",
}


def _made(status: int, message: str, *, kind: str | None = None) -> GatewayError:
    return GatewayError(status, kind or errors.error_type(status), message, reason="Upstream")


def _rejection(provider: str, call: Call, message: str) -> str:
    """What is said of a 400 in a form of the cloud's own."""
    text = message[:_MESSAGE_CHARACTERS].strip()
    if text.rstrip(".").lower() == "input is too long" or _TOO_LONG_REQUEST.search(text):
        return "Input is too long."
    if _UNKNOWN_MODEL.search(text):
        return f"model {call.canonical} is not available on {provider}"
    beta = _BETA.search(text)
    if beta is not None:
        return f"capability_rejected: beta_header:{beta[1]}"
    for pattern, token in _TOKENS:
        if pattern.search(text):
            return f"capability_rejected: {token}"
    return "the upstream does not take this request; what it said of it is in the gateway's log"


def _parsed(text: bytes) -> Any:
    if len(text) > _READ_BYTES:
        return None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        # Lone surrogates are in nobody's way here.
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
    except RecursionError:
        return None
    return value[0] if isinstance(value, list) and value else value


def _message_of(value: Any) -> tuple[str, bool, str]:
    """The message of an error, whether it is in the Messages API's envelope, and the request id that stands there."""
    if not isinstance(value, dict):
        return "", False, ""
    error = value.get("error")
    if isinstance(error, dict):
        message = error.get("message")
        if not isinstance(message, str):
            return "", False, ""
        enveloped = value.get("type") == "error" and isinstance(error.get("type"), str)
        request_id = value.get("request_id")
        return message, enveloped, request_id if isinstance(request_id, str) else ""
    for name in ("message", "Message", "error_description", "error"):
        message = value.get(name)
        if isinstance(message, str):
            return message, False, ""
    return "", False, ""
