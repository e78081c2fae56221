"""An identity provider's refresh token, as it is kept: never in the clear, and with a mark of whom it is for."""

from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway_proxy.identity.person import Person
from gateway_proxy.identity.sessions.marks import is_marked, mark, told
from gateway_proxy.identity.sessions.sealing import UnsealError, seal, unseal
from gateway_proxy.identity.sessions.signing import SigningKeys

_WAITING: Final = "approved sign-in"
_KEPT: Final = "provider refresh token of a session"
_SUCCESSOR: Final = "successor of a refresh token"
_FETCHED: Final = "session of a device code"


@dataclass(frozen=True, slots=True)
class Approval:
    """What a provider gave for a sign-in, until the client fetches its session."""

    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderToken:
    value: str = field(repr=False)
    confirmed_at: float
    """When the provider last said who the person is, Unix seconds."""
    mark: str = field(repr=False)

    def speaks_of(self, person: Person, keys: SigningKeys, session_id: str) -> bool:
        """Whether the provider said this of the person then, by the gateway's own word."""
        return is_marked(self.mark, person, keys, of=_confirmed(session_id, self.confirmed_at))


@dataclass(frozen=True, slots=True)
class Successor:
    """The refresh token that replaced another, or a device code."""

    token: str = field(repr=False)
    mark: str = field(repr=False)

    def speaks_of(self, person: Person, keys: SigningKeys, session_id: str) -> bool:
        return is_marked(self.mark, person, keys, of=session_id)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The session that a client got for its device code."""

    session_id: str
    successor: Successor


def confirmed(token: str, person: Person, keys: SigningKeys, session_id: str, *, now: float) -> ProviderToken:
    """Raises NoSigningKeyError."""
    return ProviderToken(token, now, mark(person, keys, of=_confirmed(session_id, now)))


def sealed_for_sign_in(token: str | None, person: Person, keys: SigningKeys) -> bytes:
    """Raises NoSigningKeyError."""
    data = orjson.dumps({"token": token})
    return seal(keys.signer, data, purpose=_WAITING, context=_whose(person))


def of_sign_in(sealed: bytes | None, person: Person, keys: SigningKeys) -> Approval | None:
    """None where it was not this gateway that approved a sign-in of this person."""
    if sealed is None:
        return None
    try:
        return Approval(orjson.loads(unseal(keys.all, sealed, purpose=_WAITING, context=_whose(person)))["token"])
    except UnsealError:
        return None


def sealed_for_session(token: ProviderToken, refresh_token: str, session_id: str) -> bytes:
    """Opened by the session's refresh token alone, which only its client has."""
    data = orjson.dumps({"token": token.value, "confirmed_at": token.confirmed_at, "mark": token.mark})
    return seal(refresh_token.encode(), data, purpose=_KEPT, context=session_id)


def of_session(sealed: bytes | None, refresh_token: str, session_id: str) -> ProviderToken | None:
    if sealed is None:
        return None
    try:
        values = orjson.loads(unseal((refresh_token.encode(),), sealed, purpose=_KEPT, context=session_id))
    except UnsealError:
        return None
    return ProviderToken(values["token"], values["confirmed_at"], values["mark"])


def sealed_successor(successor: str, refresh_token: str, person: Person, keys: SigningKeys, session_id: str) -> bytes:
    """For who still has the token that was replaced. Raises NoSigningKeyError."""
    data = orjson.dumps({"token": successor, "mark": mark(person, keys, of=session_id)})
    return seal(refresh_token.encode(), data, purpose=_SUCCESSOR, context=session_id)


def successor_of(sealed: bytes | None, refresh_token: str, session_id: str) -> Successor | None:
    if sealed is None:
        return None
    try:
        values = orjson.loads(unseal((refresh_token.encode(),), sealed, purpose=_SUCCESSOR, context=session_id))
    except UnsealError:
        return None
    return Successor(values["token"], values["mark"])


def sealed_for_device(
    refresh_token: str, device_code: str, person: Person, keys: SigningKeys, session_id: str
) -> bytes:
    """For who still has the device code. Raises NoSigningKeyError."""
    marked = mark(person, keys, of=session_id)
    data = orjson.dumps({"session": session_id, "token": refresh_token, "mark": marked})
    return seal(device_code.encode(), data, purpose=_FETCHED)


def of_device(sealed: bytes | None, device_code: str) -> Fetched | None:
    if sealed is None:
        return None
    try:
        values = orjson.loads(unseal((device_code.encode(),), sealed, purpose=_FETCHED))
    except UnsealError:
        return None
    return Fetched(values["session"], Successor(values["token"], values["mark"]))


def _whose(person: Person) -> str:
    return told(person, "sign-in").decode()


def _confirmed(session_id: str, at: float) -> str:
    return f"{session_id} {at!r}"
