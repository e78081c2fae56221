"""The state directory of `up`: one user at a time, readable by its owner only.

The proxy keeps its store in it too.
"""

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gateway_config.bundle import INDEX_FILE
from gateway_operator.local import mount

SIGNING_KEY_FILE = "signing-key.json"
SIGNING_KEY_BYTES = 32
_MODE = 0o700
_BUNDLE = "config"
_GIT_IGNORE = ".gitignore"


class StateError(Exception):
    """The state directory cannot be used."""


class SigningKeyValue(NamedTuple):
    """The key of session tokens."""

    kid: str
    value: str
    """base64url of SIGNING_KEY_BYTES random bytes."""


class State:
    """What outlives a run. Made by `opened`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bundle = directory / _BUNDLE
        """What the proxy's `--config` points at."""
        self.admin_token_file = directory / "admin-token"
        self.admin_token = secrets.token_urlsafe(32)

    def last_sequence(self) -> int:
        """Of the bundle written last; 0 when there is none that can be read."""
        try:
            return int(json.loads((self.bundle / INDEX_FILE).read_bytes())["sequence"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def write_bundle(self, files: Mapping[str, bytes]) -> None:
        """Raises StateError."""
        try:
            mount.write(self.bundle, files)
        except OSError as error:
            raise StateError(f"{self.bundle}: cannot be written: {error.strerror}") from None

    def signing_key(self) -> SigningKeyValue:
        """The key of session tokens, made when it is first asked for. There is one, and it never changes: its file is
        deleted to change it. Raises StateError."""
        path = self.directory / SIGNING_KEY_FILE
        try:
            return _read_signing_key(path.read_bytes())
        except FileNotFoundError:
            made = SigningKeyValue(kid=secrets.token_hex(8), value=secrets.token_urlsafe(SIGNING_KEY_BYTES))
            try:
                _write_private(path, json.dumps(made._asdict()))
            except OSError as error:
                raise StateError(f"{path}: cannot be written: {error.strerror}") from None
            return made
        except OSError as error:
            raise StateError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError:
            raise StateError(
                f"{path} is not what `claude-gateway up` wrote; delete it: a new one is made, and clients renew their "
                "sessions"
            ) from None

    def write_admin_token(self) -> None:
        """A fresh one for every run."""
        _write_private(self.admin_token_file, self.admin_token)


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[State]:
    """The state directory, made and locked. Raises StateError."""
    try:
        directory.mkdir(mode=_MODE, parents=True, exist_ok=True)
        stranger = mount.foreign(directory / _BUNDLE)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StateError(
            f"the state directory {directory} cannot be used: {error.strerror}; choose another with --state"
        ) from None
    try:
        if stranger is not None:
            raise StateError(
                f"{directory / _BUNDLE} holds {stranger!r}, which would be removed and is not of a gateway; choose "
                "another directory with --state"
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            by = f" (process {holder})" if holder.isdigit() else ""
            raise StateError(
                f"the state directory {directory} is in use by another `claude-gateway up`{by}; "
                "end that one, or choose another with --state"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        state = State(directory)
        try:
            state.write_admin_token()
            if not (directory / _GIT_IGNORE).exists():
                # Manifests are kept in git, and credentials lie in here.
                (directory / _GIT_IGNORE).write_text("*\n")
        except OSError as error:
            raise StateError(f"{directory}: cannot be written: {error.strerror}") from None
        yield state
    finally:
        os.close(lock)


def _read_signing_key(raw: bytes) -> SigningKeyValue:
    """Raises ValueError."""
    found = json.loads(raw)
    kid, value = (found.get("kid"), found.get("value")) if isinstance(found, dict) else (None, None)
    if not isinstance(kid, str) or not isinstance(value, str) or not kid:
        raise ValueError
    if len(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))) < SIGNING_KEY_BYTES:
        raise ValueError
    return SigningKeyValue(kid, value)


def _write_private(path: Path, text: str) -> None:
    """All of it at once, readable by the owner only."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
