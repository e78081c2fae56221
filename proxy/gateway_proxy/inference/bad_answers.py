"""Answers with status 200 that are none: pages of machines on the way, nothing at all, an error in disguise.

Whoever gets one fails over. Only the beginning of what an upstream says is looked at, and how it names it.
"""

import re
from typing import Annotated, Final

import msgspec

from gateway_proxy import errors
from gateway_proxy.inference.attempts import Answer
from gateway_proxy.messages import sse
from gateway_proxy.upstream.errors import BadAnswerError, ProtocolError
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.unpacking import TooLongError, beginning, inflated, is_packed

LEAST_BYTES: Final = 1024
"""What of an answer that is no stream must come in the time that its upstream may be silent."""
LONG_EVENT: Final = 64 * 1024
"""Bytes of a first event that is not waited for to its end."""

INFLATED_BYTES: Final = 512 * 1024
"""Of an answer in gzip, at the most, where its beginning does not say what it is."""

_BLANKS: Final = b" \t\r\n"
"""What a proxy sends while it waits."""
_START_BYTES: Final = 512
_PACKED_START_BYTES: Final = 4096
_LEADING_TYPE: Final = re.compile(
    rb"""\{(?:[ \t\r\n]*"(?!type")[^"\\]*"[ \t\r\n]*:[ \t\r\n]*(?:"[^"\\]*"|[-+.\w]+)[ \t\r\n]*,)*"""
    rb"""[ \t\r\n]*"type"[ \t\r\n]*:[ \t\r\n]*"([a-z_]*)\""""
)
"""The type of an object where only plain values stand before it, as in every answer of the Messages API."""
_OBJECT: Final = re.compile(rb"\{[ \t\r\n]*(?:\"|\Z)")
"""How one with members begins, which scripts and templates do not."""


class _Typed(msgspec.Struct):
    type: str = ""


class _Count(msgspec.Struct):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


_typed = msgspec.json.Decoder(_Typed).decode
_count = msgspec.json.Decoder(_Count).decode


def says_something(held: bytes) -> bool:
    """Whether an event with data is there, or so much of a long one that it need not be waited for."""
    return len(held) > LONG_EVENT or sse.first_event(held) is not None


def leading_error(held: bytes) -> bytes | None:
    """Looks at what a stream begins with, or is: the data of its first event where that is an error. Raises
    BadAnswerError for what is no stream."""
    if held.lstrip(_BLANKS).startswith(b"<"):
        raise BadAnswerError("a page in the place of events")
    event = sse.first_event(held)
    if event is None and len(held) <= LONG_EVENT:
        raise BadAnswerError("an event stream that ended before its first event did")
    if not sse.has_data(held):
        raise BadAnswerError("an event stream of comments alone")
    return sse.error_in(event)


def checked(answer: Answer, *, counts: bool) -> Answer:
    """An answer that is no stream: a message, or, for a call that asks for a number of tokens, any JSON object, which
    `check_count` is for. Of one that is too long to be held only the beginning is looked at. Raises BadAnswerError and
    ProtocolError."""
    head = answer.head
    if head.status >= 400:
        return answer
    if head.status != 200:
        raise BadAnswerError(f"an answer with status {head.status}")
    content_type = (head.get(b"content-type") or b"application/json").lower()
    if b"html" in content_type:
        raise BadAnswerError("a page in the place of an answer")
    if b"json" not in content_type:
        raise BadAnswerError("an answer that says it is no JSON")
    packed = is_packed(head)
    payload = answer.body if answer.body is not None else answer.exchange.held()
    start = (beginning(payload, _PACKED_START_BYTES) if packed else payload).lstrip(_BLANKS)[:_START_BYTES]
    if packed and not start:
        start = (_whole(answer, packed=True) or b"").lstrip(_BLANKS)[:_START_BYTES]
    if not start:
        raise BadAnswerError("an empty answer")
    if not start.startswith(b"{"):
        raise BadAnswerError("an answer that is no JSON object")
    leading = _LEADING_TYPE.match(start)
    kind = leading[1] if leading is not None else None
    if kind == b"message":
        return answer
    body = _whole(answer, packed=packed)
    if kind is None:
        if body is None:
            if _OBJECT.match(start) is None:
                raise BadAnswerError("an answer that is no JSON object")
            return answer
        kind = _type_of(body)
    if kind == b"error" and body is not None:
        answer.head, answer.body = ResponseHead.answered(errors.status_of_envelope(body)), body
    elif kind != b"message" and not counts:
        raise BadAnswerError("a JSON object that is no message")
    return answer


def check_count(answer: Answer) -> None:
    """For an answer with status 200 to a call that asks for a number of tokens, in the client's form. Raises
    BadAnswerError where it is none, and ProtocolError."""
    body = _whole(answer, packed=is_packed(answer.head))
    if body is None or not is_count(body):
        raise BadAnswerError("an answer that is no number of tokens")


def is_count(body: bytes) -> bool:
    """Whether it is a number of tokens as the Messages API has it: an object whose `input_tokens` is a whole number."""
    try:
        _count(body)
    except (ValueError, RecursionError):
        return False
    return True


def _whole(answer: Answer, *, packed: bool) -> bytes | None:
    """The plain body; None for one that is too long to be looked into here."""
    body = answer.body
    if body is None or not packed:
        return body
    try:
        plain = inflated(body, limit=INFLATED_BYTES)
    except TooLongError:
        return None
    if plain is None:
        raise ProtocolError("a gzip that cannot be unpacked")
    return plain


def _type_of(body: bytes) -> bytes:
    """That of the object; empty where it has none, or is none."""
    try:
        return _typed(body).type.encode()
    except (ValueError, RecursionError):
        return b""
