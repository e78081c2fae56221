"""A session begins: an approved sign-in becomes tokens."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions import codes, provider_tokens
from gateway_proxy.store import Redeemed, SessionRecord

if TYPE_CHECKING:
    from gateway_proxy.config.live import LiveConfiguration
    from gateway_proxy.store.store import Store


@dataclass(frozen=True, slots=True)
class Issued:
    """What a client gets for a code or a refresh token."""

    session_id: str
    person: Person
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(repr=False)
    """None where the identity provider cannot be asked again: the session then ends with its first token."""


async def issue(redeemed: Redeemed, *, live: "LiveConfiguration", store: "Store", now: float) -> Issued | None:
    """None for a sign-in that this gateway did not approve. Raises StoreUnavailableError, NoSigningKeyError."""
    person, keys = redeemed.person, live.signing_keys
    approval = provider_tokens.of_sign_in(redeemed.provider_refresh_token_sealed, person, keys)
    if approval is None:
        return None
    session_id = codes.new_id("ses")
    lifetime = live.configuration.session
    access_token = live.session_tokens.mint(session_id, person, now=now)
    refresh_token = codes.new_refresh_token()
    sealed: bytes | None = None
    if approval.refresh_token is not None:
        kept = provider_tokens.confirmed(approval.refresh_token, person, keys, session_id, now=now)
        sealed = provider_tokens.sealed_for_session(kept, refresh_token, session_id)
    seconds = lifetime.refresh_token_seconds if sealed is not None else lifetime.access_token_seconds
    await store.sessions.create(
        SessionRecord(
            id=session_id,
            person=person,
            refresh_sha256=codes.digest(refresh_token),
            provider_refresh_token_sealed=sealed,
            created_at=now,
            expires_at=now + seconds,
        )
    )
    return Issued(
        session_id,
        person,
        access_token,
        lifetime.access_token_seconds,
        refresh_token if sealed is not None else None,
    )
