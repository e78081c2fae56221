"""The Messages API in other companies' clouds: what they want otherwise than Anthropic's own API does."""

from functools import partial
from typing import Any, ClassVar, Final

import msgspec

from gateway_config.contract import Upstream
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.messages import sse
from gateway_proxy.messages.body import Members
from gateway_proxy.providers import cloud_errors
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.cloud_names import Names
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice, MessagesAPIUpstream
from gateway_proxy.providers.streamed_errors import StreamedErrors
from gateway_proxy.upstream.exchange import Exchange
from gateway_proxy.upstream.head import ResponseHead
from gateway_proxy.upstream.pool import Pool

VERSION: Final = b"anthropic-version: 2023-06-01"
"""Sent where the client names none: Anthropic's SDKs have it on every request to a cloud."""
PROFILE_MEMBER: Final = "user_profile_id"

_VERSION_NAME: Final = b"anthropic-version: "
_PROFILE_NAME: Final = b"anthropic-user-profile-id: "
_PROFILE_BYTES: Final = 256

_text_of = msgspec.json.Decoder(str).decode


class CloudMessagesAPIUpstream(MessagesAPIUpstream):
    """One binding. The profile that a request is attributed to goes into its header, where clouds look for it."""

    __slots__ = ("_names",)

    # It names a workspace at Anthropic, which no cloud knows.
    choice: ClassVar[HeaderChoice] = HeaderChoice(b"anthropic-workspace-id")

    def __init__(self, upstream: Upstream, pool: Pool, credential: FixedLine | Renewing[Any]) -> None:
        super().__init__(upstream, pool, credential)
        self._names = Names(upstream)

    def translated(self, call: Call, head: ResponseHead, body: bytes) -> tuple[ResponseHead, bytes]:
        return cloud_errors.translated(self._names, call, head, body)

    async def send(self, call: Call, model: str) -> Exchange:
        exchange = await super().send(call, model)
        head = exchange.head
        if head is not None and head.status == 200:
            self._watch(call, exchange, head)
        return exchange

    def _watch(self, call: Call, exchange: Exchange, head: ResponseHead) -> None:
        """Has the errors of a stream told as answers are. Also where none was asked for: one may come all the same."""
        if sse.is_events(head):
            exchange.decode_with(StreamedErrors(partial(self.translated, call)), head.with_headers())

    def body(self, call: Call, model: str) -> bytes:
        members = call.members
        changes: dict[str, bytes | None] = {}
        if model != call.model:
            changes["model"] = msgspec.json.encode(model)
        if PROFILE_MEMBER in members and profile(members) is not None:
            changes[PROFILE_MEMBER] = None
        return members.edited(changes) if changes else members.body

    def lines(self, call: Call) -> list[bytes]:
        lines = super().lines(call)
        if not _named(_VERSION_NAME, lines):
            lines.append(VERSION)
        if PROFILE_MEMBER in call.members and not _named(_PROFILE_NAME, lines):
            value = profile(call.members)
            if value is not None:
                lines.append(_PROFILE_NAME + value)
        return lines


def _named(name: bytes, lines: list[bytes]) -> bool:
    return any(line.startswith(name) for line in lines)


def profile(members: Members) -> bytes | None:
    """The member as its header has it; None for one that no header can carry, or that is written with escapes, which
    stays where it is: the upstream has words for it."""
    raw = members.raw(PROFILE_MEMBER)
    if not 2 < len(raw) <= _PROFILE_BYTES or b"\\" in bytes(raw):
        return None  # a lone surrogate would be read as another character
    try:
        text = _text_of(raw)
    except ValueError:
        return None
    return text.encode() if text.isascii() and text.isprintable() and " " not in text else None
