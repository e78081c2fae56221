"""The public keys of an issuer, found by what a token's header says."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway_proxy.identity.oidc.calls import Calls
from gateway_proxy.identity.oidc.failures import misconfigured

PublicKey = RSAKey | ECKey | OKPKey

MAX_KEYS: Final = 128
_MAX_TRIED: Final = 8
"""Keys that are tried for a token that names none."""
_RSA_BYTES: Final = range(256, 1025)
"""Of the modulus: 2048 to 8192 bits."""

_KIND_OF: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Key type and curve of each algorithm that can be verified here. No symmetric one, and never `none`."""

ALGORITHMS: Final = frozenset(_KIND_OF)


class IssuerKeys:
    """A key set (RFC 7517). Keys that are no signing keys of a known kind are left out, the rest serves."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._keys: list[tuple[Mapping[str, Any], PublicKey]] = []
        listed = members.get("keys")
        for entry in listed[:MAX_KEYS] if isinstance(listed, list) else ():
            key = _imported(entry)
            if key is not None:
                self._keys.append((entry, key))

    def __len__(self) -> int:
        return len(self._keys)

    def candidates(self, kid: str | None, algorithm: str) -> Sequence[PublicKey]:
        """Keys that a token of this header may be signed with; of those with its `kid` where it names one."""
        kind = _KIND_OF.get(algorithm)
        found = [
            key
            for entry, key in self._keys
            if (entry.get("kty"), entry.get("crv") if kind and kind[1] else None) == kind
            and entry.get("alg") in (None, algorithm)
            and (kid is None or entry.get("kid") == kid)
        ]
        return found[:_MAX_TRIED]


async def fetch_keys(calls: Calls, url: str) -> IssuerKeys:
    """Raises ProviderUnavailableError, also for a set without a usable key."""
    keys = IssuerKeys(await calls.document(url))
    if not keys:
        raise misconfigured(f"GET {url} gives no public key to verify signatures with")
    return keys


def _imported(entry: Any) -> PublicKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return None
    try:
        match entry.get("kty"):
            case "RSA":
                if len(base64.urlsafe_b64decode(str(entry.get("n")) + "==").lstrip(b"\0")) not in _RSA_BYTES:
                    return None
                return RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
            case "EC":
                return ECKey.import_key({name: entry[name] for name in ("kty", "crv", "x", "y")})
            case "OKP":
                return OKPKey.import_key({name: entry[name] for name in ("kty", "crv", "x")})
    except (JoseError, ValueError, KeyError, TypeError, binascii.Error):
        return None
    return None
