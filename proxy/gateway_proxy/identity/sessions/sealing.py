"""What leaves the process and comes back: encrypted and authenticated with AES-256-GCM.

Two kinds of secret seal. The gateway's signing keys seal what lives for minutes: the state that travels through the
identity provider, and the provider's refresh token until the client fetches its session. A session's refresh token,
which only the client has, seals what the store keeps for that session: who reads the store learns nothing from it, and
no rotation of the gateway's keys makes it unreadable.
"""

import base64
import os
from collections.abc import Sequence
from typing import Final

_NONCE_BYTES: Final = 12
_FORM: Final = b"\x01"


class UnsealError(Exception):
    """Not sealed by these secrets for this purpose and context, or changed since."""


def seal(secret: bytes, data: bytes, *, purpose: str, context: str = "") -> bytes:
    """`secret` has at least 256 bits; `purpose` is a constant, `context` what the data belongs to. 29 bytes longer
    than `data`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(_derived(secret, purpose)).encrypt(nonce, data, context.encode())


def unseal(secrets: Sequence[bytes], sealed: bytes, *, purpose: str, context: str = "") -> bytes:
    """What was sealed with any of the secrets; raises UnsealError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if sealed[:1] == _FORM and len(sealed) > 1 + _NONCE_BYTES:
        nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for secret in secrets:
            try:
                return AESGCM(_derived(secret, purpose)).decrypt(nonce, encrypted, context.encode())
            except InvalidTag:
                continue
    raise UnsealError


def _derived(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=f"claude-gateway {purpose}".encode()).derive(secret)


def as_text(sealed: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Raises UnsealError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise UnsealError from None
