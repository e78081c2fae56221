"""An identity provider's refresh token, as it is kept: never in the clear."""

from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.sealing import UnsealError, seal, unseal
from gateway_proxy.identity.sessions.signing import SigningKeys

_WAITING: Final = "provider refresh token of a sign-in"
_KEPT: Final = "provider refresh token of a session"
_SUCCESSOR: Final = "successor of a refresh token"


@dataclass(frozen=True, slots=True)
class ProviderToken:
    value: str = field(repr=False)
    confirmed_at: float
    """When the provider last said who the person is, Unix seconds."""


def sealed_for_sign_in(token: str | None, person: Person, keys: SigningKeys) -> bytes | None:
    """Until the client fetches its session, minutes at the most; raises NoSigningKeyError."""
    if token is None:
        return None
    return seal(keys.signer, token.encode("utf-8", "replace"), purpose=_WAITING, context=_whose(person))


def of_sign_in(sealed: bytes | None, person: Person, keys: SigningKeys) -> str | None:
    """None also where it cannot be opened: then the session ends with its first token."""
    if sealed is None:
        return None
    try:
        return unseal(keys.all, sealed, purpose=_WAITING, context=_whose(person)).decode()
    except UnsealError:
        return None


def sealed_for_session(token: ProviderToken, refresh_token: str, session_id: str) -> bytes:
    """Opened by the session's refresh token alone, which only its client has."""
    data = orjson.dumps({"token": token.value, "confirmed_at": token.confirmed_at})
    return seal(refresh_token.encode(), data, purpose=_KEPT, context=session_id)


def of_session(sealed: bytes | None, refresh_token: str, session_id: str) -> ProviderToken | None:
    if sealed is None:
        return None
    try:
        values = orjson.loads(unseal((refresh_token.encode(),), sealed, purpose=_KEPT, context=session_id))
    except UnsealError:
        return None
    return ProviderToken(values["token"], values["confirmed_at"])


def sealed_successor(successor: str, refresh_token: str, session_id: str) -> bytes:
    """The refresh token that replaced another, for who still has that one."""
    return seal(refresh_token.encode(), successor.encode(), purpose=_SUCCESSOR, context=session_id)


def successor_of(sealed: bytes | None, refresh_token: str, session_id: str) -> str | None:
    if sealed is None:
        return None
    try:
        return unseal((refresh_token.encode(),), sealed, purpose=_SUCCESSOR, context=session_id).decode()
    except UnsealError:
        return None


def _whose(person: Person) -> str:
    return f"{person.provider} {person.subject}"
