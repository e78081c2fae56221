"""The rows of the store, as its callers see them. All times are Unix seconds."""

from dataclasses import dataclass, field
from typing import Literal

from gateway_proxy.identity.person import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A device that waits for its developer's approval."""

    id: str
    device_code_sha256: bytes = field(repr=False)
    user_code: str = field(repr=False)
    surface: str
    """What asked, in the client's words."""
    address: str
    """Where it asked from."""
    expires_at: float


PollState = Literal["Pending", "SlowDown", "Denied", "Expired", "Approved", "Redeemed", "Unknown"]
"""Redeemed: a moment ago. Unknown: never made, redeemed before, or expired so long ago that it was swept."""


@dataclass(frozen=True, slots=True)
class Poll:
    state: PollState
    interval: float
    """Seconds that the device has to wait between two polls from now on."""


@dataclass(frozen=True, slots=True)
class Approved:
    """A sign-in that a client may redeem."""

    person: Person
    provider_refresh_token_sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One sign-in and all the tokens that came of it."""

    id: str
    person: Person
    refresh_sha256: bytes = field(repr=False)
    """Of the refresh token that is good now."""
    provider_refresh_token_sealed: bytes | None = field(repr=False)
    created_at: float
    expires_at: float
    """When the refresh token ends, unless it is used before."""
    last_used_at: float | None = None
    """The last refresh. None only in a record to be created, which counts as used then."""
    revoked_at: float | None = None
    revoked_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The session that a refresh token belongs to, revoked and expired ones too."""

    record: SessionRecord
    which: Literal["Current", "Previous", "Spent"]
    """Previous: replaced by the current one. Spent: by an older one, in the last seven days."""
    previous_until: float | None
    """When the grace of this token ends; None for the current one."""
    sealed_successor: bytes | None = field(repr=False)
    """What `rotate` kept beside the previous token; None for others."""


@dataclass(frozen=True, slots=True)
class RevokedSession:
    id: str
    revoked_at: float


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of revocations."""

    number: int = 0
    id: str = ""
