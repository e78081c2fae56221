"""Which groups a session token carries: all of its person's, or, above MAX_GROUPS_BYTES, a cut token's.

A cut token loses no group that the configuration speaks of: it says of each in one bit whether the person is a member.
Of the others it names what fits. The bits count for the same groups in the same order alone, so that a configuration
which speaks of another one asks for a new token.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway_config.contract import Configuration

MAX_GROUPS_BYTES: Final = 4096
"""Of JSON: with it a token stays below 7 KiB and passes proxies that take 8 KiB of a header, as long as the
configuration speaks of fewer than 24,000 groups."""
_DIGEST_BYTES: Final = 16


class GroupsChangedError(Exception):
    """The token was cut for other groups than those that the configuration speaks of."""


class CarriedGroups:
    """Of the tokens of one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._named = tuple(sorted(set(_named(configuration))))
        self._known = {group: group for group in self._named}
        self._keeps_others = configuration.billing_group_tag is not None
        self._digest = _text(hashlib.sha256(orjson.dumps(self._named)).digest()[:_DIGEST_BYTES])

    def claims(self, groups: Iterable[str]) -> dict[str, Any]:
        """What a token says of its person's groups."""
        given = list(dict.fromkeys(groups))
        carried = list(_that_fit(given, MAX_GROUPS_BYTES))
        if len(carried) == len(given):
            return {"groups": carried}
        members = set(given)
        bits = sum(1 << position for position, group in enumerate(self._named) if group in members)
        said = _text(bits.to_bytes((len(self._named) + 7) // 8, "little"))
        members.difference_update(self._named)
        others = [group for group in given if group in members]
        return {
            "groups": list(_that_fit(others, MAX_GROUPS_BYTES - len(said))),
            "named_groups": {"of": self._digest, "bits": said},
        }

    def of(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """The groups of a token that decide anything: those that the configuration speaks of, and where request tags
        name billing groups the others too. None for what no gateway writes; raises GroupsChangedError."""
        groups, cut = claims.get("groups"), claims.get("named_groups")
        if not (isinstance(groups, list) and all(isinstance(group, str) for group in groups)):
            return None
        if cut is None:
            return self._kept(groups)
        said = cut.get("bits") if isinstance(cut, dict) else None
        if not isinstance(said, str):
            return None
        if cut.get("of") != self._digest:
            raise GroupsChangedError
        try:
            data = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
        except ValueError:
            return None
        bits = int.from_bytes(data, "little")
        named = [group for position, group in enumerate(self._named) if bits >> position & 1]
        return self._kept([*groups, *named])

    def _kept(self, groups: Iterable[str]) -> frozenset[str]:
        """Of thousands of people who are cached, the groups in common are in memory once."""
        known = self._known
        if self._keeps_others:
            return frozenset(known.get(group, group) for group in groups)
        return frozenset(known[group] for group in groups if group in known)


def _that_fit(groups: Iterable[str], left: int) -> Iterable[str]:
    for group in groups:
        left -= len(orjson.dumps(group)) + 1
        if left < 0:
            return
        yield group


def _named(configuration: Configuration) -> Iterable[str]:
    yield from configuration.admin_groups
    for policy in configuration.policies:
        for match in policy.matches:
            yield from match.groups


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
