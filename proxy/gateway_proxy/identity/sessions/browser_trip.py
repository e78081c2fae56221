"""What travels with a browser to the identity provider and back: `state`, sealed, and the cookie that binds it.

Without the cookie a callback is worth nothing: somebody else's authorization code cannot be slipped into a browser,
nor a browser's be used in another one.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from gateway_proxy.identity.sessions.sealing import UnsealError, as_text, from_text, seal, unseal
from gateway_proxy.identity.sessions.signing import SigningKeys

TRIP_SECONDS: Final = 600
MAX_STATE_CHARACTERS: Final = 2048
_PURPOSE: Final = "sign-in state"


@dataclass(frozen=True, slots=True)
class Trip:
    sign_in_id: str
    provider: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    cookie_hash: str = field(repr=False)
    expires_at: float

    @property
    def code_challenge(self) -> str:
        """S256 (RFC 7636)."""
        return _hashed(self.code_verifier)

    def is_of(self, cookie: str | None) -> bool:
        """Whether the browser that has this cookie began the trip."""
        return cookie is not None and hmac.compare_digest(_hashed(cookie), self.cookie_hash)

    def sealed(self, keys: SigningKeys) -> str:
        """The `state`, about 450 characters; raises NoSigningKeyError."""
        values = {
            "i": self.sign_in_id,
            "p": self.provider,
            "n": self.nonce,
            "v": self.code_verifier,
            "c": self.cookie_hash,
            "e": self.expires_at,
        }
        return as_text(seal(keys.signer, orjson.dumps(values), purpose=_PURPOSE))


def new_trip(sign_in_id: str, provider: str, *, now: float) -> tuple[Trip, str]:
    """A trip, and the cookie's value."""
    cookie = secrets.token_urlsafe(32)
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    return Trip(sign_in_id, provider, nonce, verifier, _hashed(cookie), now + TRIP_SECONDS), cookie


def trip_of(state: str, keys: SigningKeys, *, now: float) -> Trip | None:
    """None for a `state` that this gateway did not seal, or too long ago."""
    if len(state) > MAX_STATE_CHARACTERS:
        return None
    try:
        values: dict[str, Any] = orjson.loads(unseal(keys.all, from_text(state), purpose=_PURPOSE))
    except UnsealError:
        return None
    trip = Trip(values["i"], values["p"], values["n"], values["v"], values["c"], values["e"])
    return trip if now < trip.expires_at else None


def state_hash(state: str) -> bytes:
    """What the store keeps of a `state`."""
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()


def cookie_name(sign_in_id: str, *, secure: bool) -> str:
    """One for each sign-in, so that two tabs do not get in each other's way. `__Host-`: only this very host over TLS
    can have set it."""
    return f"{'__Host-' if secure else ''}sign-in-{hashlib.sha256(sign_in_id.encode()).hexdigest()[:8]}"


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
