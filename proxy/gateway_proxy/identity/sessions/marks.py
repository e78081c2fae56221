"""What the store says of a person counts with the gateway's own mark alone: who can write to the store makes nobody."""

import hmac
from typing import Final

import orjson

from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.signing import SigningKeys

_PURPOSE: Final = b"claude-gateway mark of a person"


def mark(person: Person, keys: SigningKeys, *, of: str) -> str:
    """`of`: what the person is told for. Raises NoSigningKeyError."""
    return _mark(keys.signer, told(person, of))


def is_marked(given: str, person: Person, keys: SigningKeys, *, of: str) -> bool:
    """Whether one of the keys made that mark for this very person: groups and address too."""
    text = told(person, of)
    return any(hmac.compare_digest(_mark(key, text), given) for key in keys.all)


def told(person: Person, of: str) -> bytes:
    """All of a person, in one spelling."""
    return orjson.dumps([of, person.provider, person.subject, person.user, person.email, person.groups])


def _mark(key: bytes, text: bytes) -> str:
    return hmac.digest(hmac.digest(key, _PURPOSE, "sha256"), text, "sha256").hex()
