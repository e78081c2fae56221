"""Developer keys: presented in a header, known here only by their SHA-256."""

import hashlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Final

from gateway_config.callers import Caller
from gateway_config.contract import DeveloperKey
from gateway_proxy import errors
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal

MAX_CREDENTIAL_CHARACTERS: Final = 4096
"""Keys have 47 characters, identity tokens up to a few thousand; hashing more is work done for nobody."""

_SCHEME: Final = "bearer "


class DeveloperKeys:
    """The keys of one configuration by digest.

    A presented value is hashed before anything else happens to it, so neither the lookup nor the comparison behind it
    tells by its duration how much of a real key was right.
    """

    def __init__(self, keys: Iterable[DeveloperKey]) -> None:
        self._by_digest: dict[bytes, tuple[bytes, Principal]] = {}
        for key in keys:
            digest = bytes.fromhex(key.sha256)
            self._by_digest.setdefault(digest, (digest, _principal(key)))

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, presented: str) -> Principal | None:
        """The principal of a key, expired or not; None when no key has that value."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        entry = self._by_digest.get(digest)
        if entry is None or not compare_digest(entry[0], digest):
            return None
        return entry[1]


def expired(principal: Principal) -> bool:
    return principal.expires is not None and principal.expires <= time.time()


def expiry_error(principal: Principal) -> GatewayError:
    moment = datetime.fromtimestamp(principal.expires or 0, tz=UTC)
    return errors.expired_credential(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None when there is none or another scheme is used."""
    if authorization is None or authorization[:7].lower() != _SCHEME:
        return None
    return authorization[7:].strip() or None


def _principal(key: DeveloperKey) -> Principal:
    caller = Caller(user=key.user, email=key.user if "@" in key.user else None, groups=frozenset(key.groups))
    fields = {"auth": "developer_key", "sub": key.user, "key": key.name}
    if caller.email:
        fields["email"] = caller.email
    return Principal(caller=caller, key_name=key.name, expires=key.expires, audit_fields=fields)
