"""Session tokens: what they say, and whose a presented one is.

A token is verified by itself, without the store: a request costs a hash and a look into a dictionary, the first one
with a token about 20 us.
"""

import secrets
import time
from collections.abc import Collection
from hashlib import sha256
from typing import Any, Final

from gateway_config.callers import Caller
from gateway_config.contract import Configuration
from gateway_proxy import errors
from gateway_proxy.identity.person import Person
from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.sessions.groups import CarriedGroups, GroupsChangedError
from gateway_proxy.identity.sessions.signing import SigningKeys, is_session_shaped
from gateway_proxy.identity.sessions.verified import VerifiedTokens

AUDIENCE: Final = "claude-gateway"


class SessionTokens:
    """The session tokens of one configuration: issued for its public URL, by its keys, for its identity providers."""

    def __init__(self, configuration: Configuration, keys: SigningKeys, *, revoked: Collection[str]) -> None:
        """`revoked`: ids of sessions, of the whole process."""
        self._keys = keys
        self._issuer = configuration.gateway.public_url
        self._seconds = configuration.session.access_token_seconds
        self._billing_group_tag = configuration.billing_group_tag
        self._providers = frozenset(provider.name for provider in configuration.identity_providers)
        self._groups = CarriedGroups(configuration)
        self._revoked = revoked
        self._verified = VerifiedTokens()

    def mint(self, session_id: str, person: Person, *, now: float) -> str:
        """A new token of a session; raises NoSigningKeyError."""
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": person.user,
            **self._groups.claims(person.groups),
            "provider": person.provider,
            "sid": session_id,
            "jti": secrets.token_hex(8),
            "iat": int(now),
            "exp": int(now) + self._seconds,
        }
        if person.email is not None:
            claims["email"] = person.email
        if self._billing_group_tag is not None:
            claims["billing_group_tag"] = self._billing_group_tag
        return self._keys.sign(claims)

    def find(self, presented: str) -> Principal | None:
        """The caller of a session token; None for what is none. Raises GatewayError (401) for one that is out of
        date, revoked, of another gateway, of keys that are gone, or cut for other groups."""
        digest = sha256(presented.encode("utf-8", "surrogatepass")).digest()
        entry = self._verified.get(digest)
        if entry is not None:
            if entry.expires > time.time() and entry.session_id not in self._revoked:
                return entry.principal
            self._verified.drop(digest)
        claims = self._keys.verified(presented)
        if claims is None:
            if is_session_shaped(presented):
                raise errors.session_unreadable()
            return None
        now = time.time()
        principal = self._principal(claims, now)
        self._verified.keep(
            digest, expires=float(claims["exp"]), session_id=claims["sid"], principal=principal, now=now
        )
        return principal

    def forget(self) -> None:
        """What was verified: another configuration is in force."""
        self._verified.clear()

    def session_of(self, token: str) -> str | None:
        """The id of the session that a token belongs to, also of one that is out of date or revoked."""
        claims = self._keys.verified(token)
        if claims is None or claims.get("iss") != self._issuer or claims.get("aud") != AUDIENCE:
            return None
        session_id = claims.get("sid")
        return session_id if isinstance(session_id, str) else None

    def _principal(self, claims: dict[str, Any], now: float) -> Principal:
        """Raises GatewayError (401)."""
        if claims.get("iss") != self._issuer or claims.get("aud") != AUDIENCE:
            raise errors.session_unreadable()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        session_id, user, provider = claims.get("sid"), claims.get("sub"), claims.get("provider")
        email = claims.get("email")
        if (
            not isinstance(expires, int)
            or not isinstance(begins, int)
            or not (isinstance(session_id, str) and isinstance(user, str) and isinstance(provider, str))
            or not (email is None or isinstance(email, str))
            or begins > now
        ):
            raise errors.session_unreadable()
        if session_id in self._revoked:
            raise errors.session_revoked()
        if expires <= now:
            raise errors.session_expired()
        if provider not in self._providers:
            raise errors.session_provider_gone(provider)
        try:
            groups = self._groups.of(claims)
        except GroupsChangedError:
            raise errors.session_groups_changed() from None
        if groups is None:
            raise errors.session_unreadable()
        fields = {"auth": "session", "sub": user, "session": session_id, "provider": provider}
        if email is not None:
            fields["email"] = email
        caller = Caller(user=user, email=email, groups=groups, identity_provider=provider)
        return Principal(caller=caller, expires=expires, audit_fields=fields)
