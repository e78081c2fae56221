"""A session goes on: its refresh token is replaced, once the identity provider says that the person is still in.

Several processes of one developer may come with the same token at once, to any pods. One of them claims the session,
asks the provider and replaces the token; the others wait and get what it got. Providers that take a refresh token once
are so asked once. A token that comes again later than GRACE_SECONDS after it was replaced was stolen, or its thief's is
the one that replaced it: the session ends.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway_proxy.identity.oidc.failures import ProviderUnavailableError, SignInRefusedError
from gateway_proxy.identity.sessions import codes, provider_tokens
from gateway_proxy.identity.sessions.issuing import Issued
from gateway_proxy.identity.sessions.provider_tokens import ProviderToken
from gateway_proxy.store import Found, SessionRecord

if TYPE_CHECKING:
    from gateway_proxy.config.live import LiveConfiguration
    from gateway_proxy.identity.oidc.client import IdentityProviderClient
    from gateway_proxy.store.store import Store

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 30.0
"""How long a replaced token is answered with its successor: answers get lost, and processes race."""
CLAIM_SECONDS: Final = 30.0
"""Longer than a provider takes to answer or to fail; the claim of a pod that died ends with it."""
WAIT_SECONDS: Final = 20.0
"""How long others wait for whoever has the claim."""
_LOOK_SECONDS: Final = 0.1
UNCONFIRMED_SECONDS: Final = 8 * 3600.0
"""How long sessions go on while the identity provider is away, from when it last answered for them: a working day."""


class RenewalRefusedError(Exception):
    """The session is over. `reason` is stable CamelCase."""

    def __init__(
        self,
        reason: str,
        sentence: str,
        *,
        session: SessionRecord | None = None,
        ended: bool = False,
        detail: str = "",
    ) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.session = session
        self.ended = ended
        """Whether it lived until now."""
        self.detail = detail
        """For the log."""


class RenewalUnavailableError(Exception):
    """The session may go on; it cannot be told now."""


@dataclass(frozen=True, slots=True)
class Renewed:
    issued: Issued
    outcome: str
    """Renewed, Repeated or Unconfirmed."""


class Renewal:
    """One refresh token of one request."""

    def __init__(self, token: str, *, live: "LiveConfiguration", store: "Store") -> None:
        self._token = token
        self._sha256 = codes.digest(token)
        self._live = live
        self._store = store

    async def run(self) -> Renewed:
        """Raises RenewalRefusedError, RenewalUnavailableError, StoreUnavailableError, NoSigningKeyError."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            now = time.time()
            found = await self._store.sessions.by_refresh(self._sha256, now)
            if found is None:
                raise RenewalRefusedError("RefreshTokenUnknown", "this refresh token is not known")
            self._check(found.record, now)
            if found.which != "Current":
                return await self._repeated(found, now)
            record = found.record
            provider = self._live.identity_providers.get(record.person.provider)
            kept = provider_tokens.of_session(record.provider_refresh_token_sealed, self._token, record.id)
            if provider is None or kept is None:
                await self._end(record, "SessionProviderGone", "your identity provider can no longer be asked")
            elif await self._store.sessions.claim(record.id, self._sha256, now, CLAIM_SECONDS):
                renewed = await self._renewed(record, kept, provider)
                if renewed is not None:
                    return renewed
            await asyncio.sleep(_LOOK_SECONDS)
        raise RenewalUnavailableError

    def _check(self, record: SessionRecord, now: float) -> None:
        if record.revoked_at is not None:
            raise RenewalRefusedError("SessionRevoked", "the session has been ended", session=record)
        if record.expires_at <= now:
            raise RenewalRefusedError("SessionExpired", "the session has expired", session=record)

    async def _repeated(self, found: Found, now: float) -> Renewed:
        record = found.record
        successor = provider_tokens.successor_of(found.sealed_successor, self._token, record.id)
        graced = found.previous_until is not None and now < found.previous_until
        if (
            successor is None
            or not graced
            or not successor.speaks_of(record.person, self._live.signing_keys, record.id)
        ):
            await self._end(
                record, "RefreshTokenReused", "this refresh token was replaced before; the session is ended"
            )
        assert successor is not None
        return Renewed(self._issued(record, successor.token, now), "Repeated")

    async def _renewed(
        self, record: SessionRecord, kept: ProviderToken, provider: "IdentityProviderClient"
    ) -> Renewed | None:
        """None where the session changed meanwhile."""
        person, outcome = record.person, "Renewed"
        vouched = kept.speaks_of(person, self._live.signing_keys, record.id)
        try:
            signed_in = await provider.refresh(kept.value, subject=person.subject, known=person if vouched else None)
        except SignInRefusedError as error:
            await self._end(record, error.reason, error.sentence, detail=error.detail)
        except ProviderUnavailableError as error:
            log.warning(
                "a session cannot be confirmed: %s",
                error.detail,
                extra={"event": "session.unconfirmed", "reason": error.reason, "session": record.id},
            )
            if error.refresh_token is not None:
                kept = replace(kept, value=error.refresh_token)
            late = time.time() >= kept.confirmed_at + UNCONFIRMED_SECONDS
            if late or not vouched:
                await self._given_up(record, kept)
                raise RenewalUnavailableError from error
            outcome = "Unconfirmed"
        else:
            person = signed_in.person
            kept = provider_tokens.confirmed(
                signed_in.refresh_token or kept.value,
                person,
                self._live.signing_keys,
                record.id,
                now=time.time(),
            )
        return await self._replaced(replace(record, person=person), kept, outcome)

    async def _replaced(self, record: SessionRecord, kept: ProviderToken, outcome: str) -> Renewed | None:
        now = time.time()
        successor = codes.new_refresh_token()
        issued = self._issued(record, successor, now)
        rotated = await self._store.sessions.rotate(
            record.id,
            self._sha256,
            codes.digest(successor),
            provider_tokens.sealed_successor(successor, self._token, record.person, self._live.signing_keys, record.id),
            record.person,
            provider_tokens.sealed_for_session(kept, successor, record.id),
            now,
            now + self._live.configuration.session.refresh_token_seconds,
            GRACE_SECONDS,
        )
        return Renewed(issued, outcome) if rotated else None

    async def _given_up(self, record: SessionRecord, kept: ProviderToken) -> None:
        """The token stays as it is, and with it what the provider gave."""
        sealed = provider_tokens.sealed_for_session(kept, self._token, record.id)
        await self._store.sessions.release(record.id, self._sha256, sealed, time.time())

    async def _end(self, record: SessionRecord, reason: str, sentence: str, *, detail: str = "") -> None:
        """Raises RenewalRefusedError."""
        await self._store.sessions.revoke(record.id, time.time(), reason)
        raise RenewalRefusedError(reason, sentence, session=record, ended=True, detail=detail)

    def _issued(self, record: SessionRecord, refresh_token: str, now: float) -> Issued:
        seconds = self._live.configuration.session.access_token_seconds
        access_token = self._live.session_tokens.mint(record.id, record.person, now=now)
        return Issued(record.id, record.person, access_token, seconds, refresh_token)
