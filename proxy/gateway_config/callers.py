"""Who a caller is, and whether a policy speaks of them: the rule that the proxy enforces and `explain` tells."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway_config.contract import Configuration, Match, Policy

_KELVIN = "\u212a"
"""The one letter outside ASCII whose lower case is an ASCII letter (`k`)."""


def folded(text: str) -> str:
    """`text` in lower case, without ever turning another alphabet's letter into an ASCII one: a user id that only
    looks like someone else's stays a different id."""
    return text.lower() if text.isascii() else _KELVIN.join(part.lower() for part in text.split(_KELVIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A caller as policies see them."""

    user: str
    """The user's id: a developer key's `user`, later an identity provider's subject."""
    email: str | None = None
    groups: frozenset[str] = frozenset()
    workload: str | None = None
    identity_provider: str | None = None

    @property
    def email_address(self) -> str | None:
        """The email, or the id where that is an address, in lower case."""
        address = self.email or (self.user if "@" in self.user else None)
        return folded(address) if address else None


def matches(match: Match, caller: Caller) -> bool:
    """Whether every member that `match` gives holds for the caller, each by any of its values."""
    email = caller.email_address
    names = {folded(caller.user), email}
    return (
        (not match.groups or not caller.groups.isdisjoint(match.groups))
        and (not match.users or not names.isdisjoint(match.users))
        and (not match.email_domains or (email is not None and email.rpartition("@")[2] in match.email_domains))
        and (not match.workloads or caller.workload in match.workloads)
        and (not match.identity_providers or caller.identity_provider in match.identity_providers)
    )


def first_match(policies: Iterable[Policy], caller: Caller) -> Policy | None:
    """The first policy with an entry that matches the caller."""
    return next((policy for policy in policies if any(matches(entry, caller) for entry in policy.matches)), None)


def effective_policy(configuration: Configuration, caller: Caller) -> Policy | None:
    """The policy that decides for the caller: the first match, else the base layer, else None: denied."""
    return first_match(configuration.policies, caller) or configuration.base
