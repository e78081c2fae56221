"""Answers with status 200 that are none: pages of machines on the way, nothing at all, an error in disguise.

Whoever gets one fails over. Only the beginning of what an upstream says is looked at, and how it names it.
"""

from typing import Final

import orjson

from gateway_proxy import errors
from gateway_proxy.inference import sse
from gateway_proxy.inference.attempts import Answer
from gateway_proxy.upstream.errors import BadAnswerError
from gateway_proxy.upstream.head import ResponseHead

LEAST_BYTES: Final = 1024
"""What of an answer that is no stream must come in the time that its upstream may be silent."""
LONG_EVENT: Final = 64 * 1024
"""Bytes of a first event that is not waited for to its end."""

_START_BYTES: Final = 256
_ERROR: Final = b'"error"'


def says_something(held: bytes) -> bool:
    """Whether an event with data is there, or so much of a long one that it need not be waited for."""
    return len(held) > LONG_EVENT or sse.first_event(held) is not None


def check_events(held: bytes) -> None:
    """Looks at what a stream begins with, or is. Raises BadAnswerError."""
    if held.lstrip(b" \t\r\n").startswith(b"<"):
        raise BadAnswerError("a page in the place of events")
    if not says_something(held):
        raise BadAnswerError("an event stream that ended before its first event did")
    if not sse.has_data(held):
        raise BadAnswerError("an event stream of comments alone")


def checked(answer: Answer) -> Answer:
    """An answer that is no stream. Raises BadAnswerError."""
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
    start = (answer.body if answer.body is not None else answer.exchange.held())[:_START_BYTES].lstrip(b" \t\r\n")
    if not start:
        raise BadAnswerError("an empty answer")
    if head.get(b"content-encoding") not in (None, b"identity"):
        return answer
    if not start.startswith(b"{"):
        raise BadAnswerError("an answer that is no JSON object")
    if _ERROR in start and answer.body is not None and _is_error(answer.body):
        answer.head = ResponseHead.answered(errors.status_of_envelope(answer.body))
    return answer


def _is_error(body: bytes) -> bool:
    try:
        value = orjson.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("type") == "error"
