"""Session signing keys: their life, and the Secret that the operator keeps them in. Pure: time and chance are given.

A key is published as Verify first, so that no pod meets a token that it cannot verify. It signs once every pod has
loaded it. The key that signed before verifies on until the last token that it can have signed is out of date.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from gateway_config.canonical import canonical_json, sha256_hex
from gateway_config.contract import SigningKey
from gateway_operator.children.secrets import ADMIN_TOKEN_FILE

MARGIN_SECONDS: Final = 300
"""Beyond the life of the last token: clocks differ, and a pod may answer late."""
WAIT_SECONDS: Final = 5.0
"""Until pods are looked at again that have not loaded the newest keys."""
_KEY_BYTES: Final = 32
_STATE: Final = "state"
_VALUE: Final = "key-"
_FORM: Final = 1


class Phase(StrEnum):
    """Where a key stands in its life."""

    PUBLISHED = "Published"
    """Verifies; signs as soon as every pod has loaded it."""
    SIGNING = "Signing"
    RETIRED = "Retired"
    """Verifies what it signed before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Times are Unix seconds."""

    kid: str
    value: str = field(repr=False)
    """base64url of 32 random bytes."""
    phase: Phase
    created: int
    longest_token: int = 0
    """Seconds that a token which it signed may live; the longest there was while it signed."""
    stopped: int | None = None
    """When every pod was first seen to sign with another key."""

    @property
    def name(self) -> str:
        """Of its value among the credentials: bindings' names begin with a namespace, which has no dot."""
        return f"signing.keys/{self.kid}"

    @property
    def drop_at(self) -> int | None:
        return None if self.stopped is None else self.stopped + self.longest_token + MARGIN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything that the operator made up for one gateway."""

    admin_token: str = field(repr=False)
    keys: tuple[Key, ...] = ()
    """The oldest first."""

    def published(self) -> tuple[SigningKey, ...]:
        """What the configuration says of the keys; the values go with the credentials."""
        return tuple(
            SigningKey(
                kid=key.kid,
                name=key.name,
                sha256=sha256_hex(key.value.encode()),
                use="Sign" if key.phase is Phase.SIGNING else "Verify",
            )
            for key in sorted(self.keys, key=lambda key: key.kid)
        )

    def values(self) -> dict[str, str]:
        return {key.name: key.value for key in self.keys}


class UnreadableError(Exception):
    """The Secret does not hold what it should. The message names a key of it, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """Where new keys and tokens come from."""

    kid: Callable[[], str] = lambda: secrets.token_hex(8)
    value: Callable[[], str] = lambda: secrets.token_urlsafe(_KEY_BYTES)


def new_record(*, now: int, token_seconds: int, chance: Chance | None = None) -> Record:
    """The first key signs at once: there is no pod yet that would have to know it."""
    chance = chance or Chance()
    first = Key(kid=chance.kid(), value=chance.value(), phase=Phase.SIGNING, created=now, longest_token=token_seconds)
    return Record(admin_token=chance.value(), keys=(first,))


def advanced(
    record: Record,
    *,
    now: int,
    rotation_seconds: int,
    token_seconds: int,
    loaded: bool,
    chance: Chance | None = None,
) -> Record:
    """The record as it should be now; the same one where nothing is due.

    `loaded`: whether every pod that may serve has loaded exactly the keys of `record`. At most one key signs, at all
    times, and a new one is made only after the rotation before it has come to its end on every pod.
    """
    keys = [key for key in record.keys if key.drop_at is None or now < key.drop_at]
    keys = [
        replace(key, stopped=now) if loaded and key.phase is Phase.RETIRED and key.stopped is None else key
        for key in keys
    ]
    published = next((key for key in keys if key.phase is Phase.PUBLISHED), None)
    signing = next((key for key in keys if key.phase is Phase.SIGNING), None)
    if published is not None and loaded:
        keys = [_promoted(key, published, token_seconds) for key in keys]
    elif signing is not None and token_seconds > signing.longest_token:
        keys = [replace(key, longest_token=token_seconds) if key is signing else key for key in keys]
    if published is None and signing is not None and now >= signing.created + rotation_seconds and not _changing(keys):
        chance = chance or Chance()
        keys.append(Key(kid=chance.kid(), value=chance.value(), phase=Phase.PUBLISHED, created=now))
    return record if tuple(keys) == record.keys else replace(record, keys=tuple(keys))


def told(before: Record, after: Record) -> str:
    """What became of the keys from one record to the next, in a sentence; empty where nothing did."""
    phases = {key.kid: key.phase for key in before.keys}
    there = {key.kid for key in after.keys}
    parts = [f"key {key.kid} is published" for key in after.keys if key.kid not in phases]
    parts += [
        f"key {key.kid} {'signs' if key.phase is Phase.SIGNING else 'verifies only'} from now on"
        for key in after.keys
        if key.kid in phases and key.phase is not phases[key.kid]
    ]
    parts += [f"key {kid} is dropped" for kid in phases if kid not in there]
    return "; ".join(parts)


def _promoted(key: Key, published: Key, token_seconds: int) -> Key:
    if key is published:
        return replace(key, phase=Phase.SIGNING, longest_token=token_seconds)
    return replace(key, phase=Phase.RETIRED) if key.phase is Phase.SIGNING else key


def _changing(keys: list[Key]) -> bool:
    """Whether pods may still sign with a retired key."""
    return any(key.phase is Phase.RETIRED and key.stopped is None for key in keys)


def seconds_to_next(record: Record, *, now: int, rotation_seconds: int) -> float:
    """Until `advanced` should be asked again."""
    if any(key.phase is Phase.PUBLISHED for key in record.keys) or _changing(list(record.keys)):
        return WAIT_SECONDS
    due = [key.drop_at for key in record.keys if key.drop_at is not None]
    due += [key.created + rotation_seconds for key in record.keys if key.phase is Phase.SIGNING]
    return max(1.0, float(min(due, default=now + rotation_seconds) - now))


def written(record: Record) -> dict[str, str]:
    """The `data` of the record's Secret: the admin token, each key's value, and a `state` without values."""
    state = {
        "form": _FORM,
        "keys": [
            {
                "kid": key.kid,
                "phase": str(key.phase),
                "created": key.created,
                "longestToken": key.longest_token,
                **({} if key.stopped is None else {"stopped": key.stopped}),
            }
            for key in record.keys
        ],
    }
    plain = {
        ADMIN_TOKEN_FILE: record.admin_token.encode(),
        _STATE: canonical_json(state),
        **{f"{_VALUE}{key.kid}": key.value.encode() for key in record.keys},
    }
    return {name: base64.b64encode(value).decode() for name, value in plain.items()}


def read(data: Mapping[str, Any] | None) -> Record:
    """The record in the `data` of its Secret. Raises UnreadableError; keys of the Secret that are not ours are not
    looked at."""
    data = data or {}
    token = read_token(data)
    try:
        state = json.loads(_decoded(data, _STATE))
    except ValueError:
        raise UnreadableError(f"key {_STATE} is no JSON") from None
    if not isinstance(state, dict) or state.get("form") != _FORM or not isinstance(state.get("keys"), list):
        raise UnreadableError(f"key {_STATE} is not in a form that this version knows")
    keys = tuple(_keys(state["keys"], data))
    if len({key.kid for key in keys}) != len(keys) or sum(key.phase is Phase.SIGNING for key in keys) != 1:
        raise UnreadableError(f"key {_STATE} must name each key once, and one that signs")
    return Record(admin_token=token, keys=keys)


def read_token(data: Mapping[str, Any] | None) -> str:
    """The admin token alone, for where the rest cannot be read. Raises UnreadableError."""
    token = _decoded(data or {}, ADMIN_TOKEN_FILE)
    if not token or not token.isascii() or not token.isprintable():
        raise UnreadableError(f"key {ADMIN_TOKEN_FILE} is not printable text")
    return token


def _keys(entries: list[Any], data: Mapping[str, Any]) -> Iterator[Key]:
    for entry in entries:
        try:
            kid = entry["kid"]
            key = Key(
                kid=kid,
                value=_decoded(data, f"{_VALUE}{kid}"),
                phase=Phase(entry["phase"]),
                created=int(entry["created"]),
                longest_token=int(entry["longestToken"]),
                stopped=int(entry["stopped"]) if "stopped" in entry else None,
            )
        except (TypeError, KeyError, ValueError):
            raise UnreadableError(f"key {_STATE} describes a key in a form that this version does not know") from None
        try:
            fits = len(base64.urlsafe_b64decode(key.value + "=" * (-len(key.value) % 4))) >= _KEY_BYTES
        except (binascii.Error, ValueError):
            fits = False
        if not isinstance(kid, str) or not kid or not fits:
            raise UnreadableError(f"key {_VALUE}{kid} is not {_KEY_BYTES} bytes in base64url")
        yield key


def _decoded(data: Mapping[str, Any], name: str) -> str:
    if name not in data:
        raise UnreadableError(f"key {name} is missing")
    try:
        return base64.b64decode(data[name], validate=True).decode()
    except (TypeError, ValueError):
        raise UnreadableError(f"key {name} is not UTF-8 text") from None
