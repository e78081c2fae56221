"""The Messages API in other companies' clouds: what they want otherwise than Anthropic's own API does."""

from typing import ClassVar, Final

import msgspec

from gateway_proxy.inference.body import Members
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import HeaderChoice, MessagesAPIUpstream

VERSION: Final = b"anthropic-version: 2023-06-01"
"""Sent where the client names none: Anthropic's SDKs have it on every request to a cloud."""
PROFILE_MEMBER: Final = "user_profile_id"

_VERSION_NAME: Final = b"anthropic-version: "
_PROFILE_NAME: Final = b"anthropic-user-profile-id: "
_PROFILE_BYTES: Final = 256

_text_of = msgspec.json.Decoder(str).decode


class CloudMessagesAPIUpstream(MessagesAPIUpstream):
    """One binding. The profile that a request is attributed to goes into its header, where clouds look for it."""

    __slots__ = ()

    # It names a workspace at Anthropic, which no cloud knows.
    choice: ClassVar[HeaderChoice] = HeaderChoice(b"anthropic-workspace-id")

    def body(self, call: Call, model: str) -> bytes:
        members = call.members
        changes: dict[str, bytes | None] = {}
        if model != call.model:
            changes["model"] = msgspec.json.encode(model)
        if PROFILE_MEMBER in members and profile(members) is not None:
            changes[PROFILE_MEMBER] = None
        return members.replaced(changes) if changes else members.body

    def lines(self, call: Call) -> list[bytes]:
        lines = super().lines(call)
        if not any(line.startswith(_VERSION_NAME) for line in lines):
            lines.append(VERSION)
        if PROFILE_MEMBER in call.members:
            value = profile(call.members)
            if value is not None and not any(line.startswith(_PROFILE_NAME) for line in lines):
                lines.append(_PROFILE_NAME + value)
        return lines


def profile(members: Members) -> bytes | None:
    """The member as its header has it; None for one that no header can carry, which stays where it is: the upstream has
    words for it."""
    raw = members.raw(PROFILE_MEMBER)
    if not 2 < len(raw) <= _PROFILE_BYTES:
        return None
    try:
        text = _text_of(raw)
    except ValueError:
        return None
    return text.encode() if text.isascii() and text.isprintable() and " " not in text else None
