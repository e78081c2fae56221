"""Heads of requests: how large they may be, and what is told to whoever sends something else."""

from collections.abc import MutableSequence
from typing import Final

from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import _ErrInfo

from gateway_proxy import errors
from gateway_proxy.errors import GatewayError

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's head; more is 431."""
LINE_LIMIT: Final = 16 * 1024
"""Bytes of one header or of the request line. Tokens of identity providers with many groups come near 8 KiB."""
HEADERS_LIMIT: Final = 128

Message = tuple[RawRequestMessage | _ErrInfo, StreamReader]
"""As aiohttp's parser puts it into the queue: a head and its body, or what is wrong with it."""


def refused(error: GatewayError) -> Message:
    """What stands in the queue in the place of a head."""
    return _ErrInfo(error.status, error, ""), EMPTY_PAYLOAD


def refuse_large(messages: MutableSequence[Message]) -> None:
    """The parser bounds lines and their number, so a head that came in one packet may be larger than HEAD_LIMIT."""
    for number, (message, _) in enumerate(messages):
        if not isinstance(message, _ErrInfo) and _size(message) > HEAD_LIMIT:
            messages[number] = refused(errors.headers_too_large())


def error_of(info: _ErrInfo) -> GatewayError:
    """What is told to the sender of a head that is refused, or of what is none."""
    error = info.exc
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, LineTooLong) or "Too many headers" in info.message:
        return errors.headers_too_large()
    return errors.invalid_request("the request is not valid HTTP/1.1", reason="MalformedRequest")


def _size(message: RawRequestMessage) -> int:
    """Bytes of a parsed head, as good as it was sent."""
    return len(message.path) + sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
