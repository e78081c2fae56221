"""Signed tokens (RFC 7519 in RFC 7515's compact form): whether one is whole, from whom, for whom and when.

Nothing that a token says of itself decides how it is checked, save which of the allowed algorithms and which of the
issuer's own keys: `jku`, `jwk`, `x5u` and the like are never looked at, and a header with `crit` is refused.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError

from gateway_proxy.identity.oidc.keys import ALGORITHMS, IssuerKeys

MAX_TOKEN_BYTES: Final = 32 * 1024
"""Tokens with hundreds of groups have about twenty thousand."""

Cause = Literal[
    "Malformed", "Algorithm", "UnknownKey", "Signature", "Issuer", "Audience", "Expired", "NotYetValid", "Claims"
]


class TokenError(Exception):
    """A token that proves nothing; the message says why, without any of its values."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause: Cause = cause


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token's parts. What they say is the bearer's word until `verify` has returned."""

    signed: jws.CompactSignature
    algorithm: str
    kid: str | None
    claims: Mapping[str, Any]


class _Registry(jws.JWSRegistry):
    """Longer headers than joserfc's default, because some issuers put certificates there, and parameters unknown to
    it, which are not acted on. Any algorithm of the caller's list and no other, without a warning on stderr."""

    max_header_length = 16 * 1024
    max_payload_length = MAX_TOKEN_BYTES
    max_signature_length = 2048

    def __init__(self, algorithms: Collection[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)
        self._allowed = frozenset(algorithms) & ALGORITHMS

    def get_alg(self, name: str) -> Any:
        if name not in self._allowed:
            raise UnsupportedAlgorithmError(f"{name} is not allowed")
        return self.algorithms[name]


_READING: Final = _Registry(ALGORITHMS)


def looks_signed(token: str) -> bool:
    """Whether a credential may be such a token at all, at a glance."""
    return token.startswith("eyJ") and token.count(".") == 2


def parse(token: str, *, types: Collection[str] = ("jwt",)) -> UnverifiedToken:
    """A token's parts; `types` are the values that its `typ` may have, in lower case, where it has one. Raises
    TokenError (Malformed)."""
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise TokenError("Malformed", f"it is not ASCII of at most {MAX_TOKEN_BYTES} characters")
    try:
        signed = jws.extract_compact(token.encode(), registry=_READING)
        header: Any = signed.headers()
        claims = orjson.loads(signed.payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenError("Malformed", "it is no signed token of three parts") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("Malformed", "its parts are no JSON objects")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or not (kid is None or isinstance(kid, str)):
        raise TokenError("Malformed", "its header has no algorithm, or a key id that is no text")
    if "crit" in header or "b64" in header:
        raise TokenError("Malformed", "its header asks for extensions")
    if kind is not None and (not isinstance(kind, str) or kind.lower().removeprefix("application/") not in types):
        raise TokenError("Malformed", "it is a token of another type")
    return UnverifiedToken(signed, algorithm, kid, claims)


def verify(token: UnverifiedToken, keys: IssuerKeys, algorithms: Collection[str]) -> None:
    """Returns where one of the issuer's keys signed it; raises TokenError (Algorithm, UnknownKey, Signature)."""
    allowed = set(algorithms) & ALGORITHMS
    if "EdDSA" in allowed:
        allowed.add("Ed25519")  # RFC 9864's name for the same
    if token.algorithm not in allowed:
        raise TokenError("Algorithm", "it is signed by an algorithm that is not allowed")
    candidates = keys.candidates(token.kid, token.algorithm)
    if not candidates:
        raise TokenError("UnknownKey", "the issuer has no such key")
    registry = _Registry(allowed)
    for key in candidates:
        try:
            if jws.validate_compact(token.signed, key, registry=registry):
                return
        except JoseError:
            continue
    raise TokenError("Signature", "its signature is not the issuer's")


def check_times(claims: Mapping[str, Any], *, now: float, skew: float, needs_issue_time: bool) -> None:
    """Raises TokenError (Expired, NotYetValid, Claims). `exp` is needed, `nbf` is not."""
    if now - skew >= _seconds(claims, "exp"):
        raise TokenError("Expired", "it has expired")
    if "nbf" in claims and _seconds(claims, "nbf") > now + skew:
        raise TokenError("NotYetValid", "it is not valid yet: the issuer's clock and this one's differ")
    if (needs_issue_time or "iat" in claims) and _seconds(claims, "iat") > now + skew:
        raise TokenError("NotYetValid", "it was issued in the future: the issuer's clock and this one's differ")


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Whom a token is for; raises TokenError (Audience)."""
    value = claims.get("aud")
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise TokenError("Audience", "it names no audience")
    return values


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenError("Claims", f"its {name} is no time")
    return float(value)


Clock = Callable[[], float]
"""Unix seconds."""
