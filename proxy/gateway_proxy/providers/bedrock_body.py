"""What Bedrock's InvokeModel and CountTokens take in place of a Messages API's body: the client's bytes, with only the
members changed that belong elsewhere here. Which ones, Anthropic's own clients show (`lib/bedrock` of its Python SDK).
"""

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway_proxy.memo import Memo
from gateway_proxy.messages import tags
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.messages.body import Members
from gateway_proxy.providers.cloud_messages_api import PROFILE_MEMBER, profile

VERSION: Final = b'"bedrock-2023-05-31"'
COUNTED_BETAS: Final = frozenset({"claude-code-20250219", "context-management-2025-06-27", "oauth-2025-04-20"})
"""Those that CountTokens takes, as tried with Anthropic's own gateway in November 2026; it refuses others."""

_VERSION_MEMBER: Final = "anthropic_version"
_BETA_MEMBER: Final = "anthropic_beta"
_LONGEST_EMPTY: Final = 64
_LONGEST_LIST: Final = 64 * 1024
"""Bytes of betas in a body that are looked through; a list that is longer is the upstream's to refuse."""
_COUNT_START: Final = b'{"input":{"invokeModel":{"body":"'
_COUNT_END: Final = b'"}}}'

_names_of = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


class _Thinking(msgspec.Struct):
    budget_tokens: int = 0


_thinking_of = msgspec.json.Decoder(_Thinking).decode


def invoked(members: Members, values: BetaValues) -> bytes:
    """The body of InvokeModel. Betas of the body come first, then those of the headers."""
    changes = _elsewhere(members)
    added = _added(members)
    named = _named(values)
    if _BETA_MEMBER not in members:
        if named:
            added.append((_BETA_MEMBER, _encode(named)))
    elif (listed := _listed(members)) is not None:
        betas = _together((*listed, *named))
        if betas != listed or not betas:
            changes[_BETA_MEMBER] = _encode(betas) if betas else None
    return members.edited(changes, added)


def counted(members: Members, values: BetaValues) -> bytes:
    """The body of CountTokens, around what InvokeModel would get: with betas of the headers alone, no empty `tools`,
    and the `max_tokens` that an InvokeModel must have and a count need not."""
    changes = _elsewhere(members)
    added = _added(members)
    betas = [name for name in _named(values) if name in COUNTED_BETAS]
    if _BETA_MEMBER in members:
        changes[_BETA_MEMBER] = _encode(betas) if betas else None
    elif betas:
        added.append((_BETA_MEMBER, _encode(betas)))
    tools = members.raw("tools")
    if len(tools) <= _LONGEST_EMPTY and bytes(tools).translate(None, b" \t\r\n") == b"[]":
        changes["tools"] = None
    budget = _budget(members)
    if "max_tokens" not in members:
        added.append(("max_tokens", b"%d" % max(1, budget + 1)))
    elif (given := members.max_tokens) is not None and given <= budget:
        changes["max_tokens"] = b"%d" % (budget + 1)
    return _COUNT_START + b64encode(members.edited(changes, added)) + _COUNT_END


def _elsewhere(members: Members) -> dict[str, bytes | None]:
    """Members that the path or a header tells, or that nobody reads there."""
    changes: dict[str, bytes | None] = {"model": None, "stream": None, tags.MEMBER: None}
    if PROFILE_MEMBER in members and profile(members) is not None:
        changes[PROFILE_MEMBER] = None
    return changes


def _added(members: Members) -> list[tuple[str, bytes]]:
    return [] if _VERSION_MEMBER in members else [(_VERSION_MEMBER, VERSION)]


def _listed(members: Members) -> list[str] | None:
    """The body's own betas; None for a member of another form, for which the upstream has its words."""
    if len(members.raw(_BETA_MEMBER)) > _LONGEST_LIST:
        return None
    try:
        return _names_of(members.raw(_BETA_MEMBER))
    except (ValueError, RecursionError):
        return None


def _named(values: BetaValues) -> list[str]:
    """The betas of the headers."""
    if not values:
        return []
    listed = values[0] if len(values) == 1 else b",".join(values)
    return list(_known[listed])


def _split(listed: bytes) -> list[str]:
    return _together(listed.decode("utf-8", "replace").split(","))


_known: Final = Memo(_split, longest=2048)
"""A client names the same ones with every request."""


def _together(names: Iterable[str]) -> list[str]:
    """Each once, trimmed, without that of the tags."""
    trimmed = dict.fromkeys(name.strip() for name in names)
    return [name for name in trimmed if name and name != tags.BETA]


def _budget(members: Members) -> int:
    """Tokens for thinking; 0 where the request gives no number of them."""
    try:
        return _thinking_of(members.raw("thinking")).budget_tokens
    except (ValueError, RecursionError):
        return 0
