"""Request tags, of which one may name the group that a request is billed to.

Claude Code sends `tags: {TAG: GROUP}` when the session token says what the tag is called and the person has chosen a
group. The gateway is the reader: it records the group where the caller is a member, and no upstream sees the tags.
"""

from typing import Final, NamedTuple

import msgspec

from gateway_config.callers import Caller
from gateway_proxy.messages import betas
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.messages.body import Members
from gateway_proxy.messages.cutting import cut_members

BETA: Final = "request-tags-2026-08-21"
_UNWANTED: Final = betas.Unwanted([BETA.encode()])
MEMBER: Final = "tags"

_tags_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text_of = msgspec.json.Decoder(str).decode


class Billing(NamedTuple):
    """What a request says of the group that it is billed to."""

    group: str | None
    """None: it names one that the caller is not a member of."""


def billing(members: Members, tag: str, caller: Caller | None) -> Billing | None:
    """None where the request does not carry the tag."""
    try:
        value = _tags_of(members.raw(MEMBER)).get(tag)
    except (ValueError, RecursionError):
        return None
    if value is None:
        return None
    try:
        group = _text_of(value)
    except (ValueError, RecursionError):
        return Billing(None)
    return Billing(group if caller is not None and group in caller.groups else None)


def without_tags(members: Members, values: BetaValues) -> tuple[Members, BetaValues]:
    """The request without `tags` and their beta, everything else byte for byte."""
    if MEMBER in members:
        members = members.without(cut_members(members.places, (MEMBER,)))
    return members, _UNWANTED.out_of(values)
