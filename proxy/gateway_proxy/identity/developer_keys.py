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
from gateway_proxy.identity.principal import Principal

MAX_KEY_CHARACTERS: Final = 4096
"""Keys have 47 characters; hashing more than this is work done for nobody."""


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
        """The principal of a key; None when no key has that value. Raises GatewayError (401) for one that expired."""
        if len(presented) > MAX_KEY_CHARACTERS:
            return None
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        entry = self._by_digest.get(digest)
        if entry is None or not compare_digest(entry[0], digest):
            return None
        principal = entry[1]
        expires = principal.expires
        if expires is not None and expires <= time.time():
            moment = datetime.fromtimestamp(expires, tz=UTC)
            raise errors.expired_credential(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return principal


def _principal(key: DeveloperKey) -> Principal:
    caller = Caller(user=key.user, email=key.user if "@" in key.user else None, groups=frozenset(key.groups))
    fields = {"auth": "developer_key", "sub": key.user, "key": key.name}
    if caller.email:
        fields["email"] = caller.email
    return Principal(caller=caller, key_name=key.name, expires=key.expires, audit_fields=fields)
