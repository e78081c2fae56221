"""A session begins: an approved sign-in becomes tokens."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions import codes, provider_tokens
from gateway_proxy.store import SessionRecord

if TYPE_CHECKING:
    from gateway_proxy.config.live import LiveConfiguration
    from gateway_proxy.store.store import Store

GRACE_SECONDS: Final = 30.0
"""How long a device code is answered with the session that it led to: answers get lost, and pods end."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a client gets for a code or a refresh token."""

    session_id: str
    person: Person
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(repr=False)
    """None where the identity provider cannot be asked again: the session then ends with its first token."""


async def issue(device_code: str, *, live: "LiveConfiguration", store: "Store", now: float) -> Issued | None:
    """None for a sign-in that this gateway did not approve, or that was redeemed or denied meanwhile. Raises
    StoreUnavailableError, and then the code is as good as before; NoSigningKeyError."""
    digest, keys = codes.digest(device_code), live.signing_keys
    approved = await store.sign_ins.approved(digest, now)
    if approved is None:
        return None
    person = approved.person
    approval = provider_tokens.of_sign_in(approved.provider_refresh_token_sealed, person, keys)
    if approval is None:
        return None
    session_id = codes.new_id("ses")
    refresh_token = codes.new_refresh_token()
    lifetime = live.configuration.session
    sealed: bytes | None = None
    if approval.refresh_token is not None:
        kept = provider_tokens.confirmed(approval.refresh_token, person, keys, session_id, now=now)
        sealed = provider_tokens.sealed_for_session(kept, refresh_token, session_id)
    seconds = lifetime.refresh_token_seconds if sealed is not None else lifetime.access_token_seconds
    record = SessionRecord(
        id=session_id,
        person=person,
        refresh_sha256=codes.digest(refresh_token),
        provider_refresh_token_sealed=sealed,
        created_at=now,
        expires_at=now + seconds,
    )
    issued = _issued(record, refresh_token, live=live, now=now)
    answer = provider_tokens.sealed_for_device(refresh_token, device_code, person, keys, session_id)
    return issued if await store.sign_ins.redeem(digest, record, answer, now, GRACE_SECONDS) else None


async def issued_before(device_code: str, *, live: "LiveConfiguration", store: "Store", now: float) -> Issued | None:
    """The same session once more; None after the grace, and once the session was renewed or ended. Raises
    StoreUnavailableError, NoSigningKeyError."""
    fetched = provider_tokens.of_device(await store.sign_ins.redeemed(codes.digest(device_code), now), device_code)
    if fetched is None:
        return None
    refresh_token = fetched.successor.token
    found = await store.sessions.by_refresh(codes.digest(refresh_token), now)
    if found is None or found.which != "Current":
        return None
    record = found.record
    lives = record.revoked_at is None and record.expires_at > now
    if not lives or not fetched.successor.speaks_of(record.person, live.signing_keys, record.id):
        return None
    return _issued(record, refresh_token, live=live, now=now)


def _issued(record: SessionRecord, refresh_token: str, *, live: "LiveConfiguration", now: float) -> Issued:
    return Issued(
        record.id,
        record.person,
        live.session_tokens.mint(record.id, record.person, now=now),
        live.configuration.session.access_token_seconds,
        refresh_token if record.provider_refresh_token_sealed is not None else None,
    )
