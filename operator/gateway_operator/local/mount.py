"""Writes a bundle the way the kubelet mounts a Secret, so that the proxy reads the same thing in both places.

The files lie in a directory of their own, named after the time; `..data` is a symbolic link to it that is replaced
in one step; every file name is a link through `..data`. A reader that resolves the link once sees all files of one
bundle. A writer killed at any point leaves at most a directory that nothing points to: the next write removes it.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

DATA_LINK = "..data"
_NEW_LINK = "..data_tmp"
_STAMPED = re.compile(r"\.\.\d{4}(_\d\d){5}\.[0-9a-f]{10}\Z")
_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


def foreign(directory: Path) -> str | None:
    """The name of something in `directory` that `write` has not put there, and would remove. Raises OSError."""
    if not directory.is_dir():
        return None
    return next((path.name for path in directory.iterdir() if not _ours(path)), None)


def _ours(path: Path) -> bool:
    if path.name in (DATA_LINK, _NEW_LINK):
        return path.is_symlink()
    if path.is_symlink():
        return path.readlink() == Path(DATA_LINK) / path.name
    return _STAMPED.match(path.name) is not None


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Replaces what `directory` holds by `files`, all at once. One writer at a time. Raises OSError."""
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    directory.chmod(_DIRECTORY_MODE)
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime())
    fresh = directory / f"{stamp}.{secrets.token_hex(5)}"
    fresh.mkdir(mode=_DIRECTORY_MODE)
    for name, data in files.items():
        _write_file(fresh / name, data)
    new_link = directory / _NEW_LINK
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(fresh.name)
    new_link.replace(directory / DATA_LINK)
    # After the swap: a name must never point into a directory that lacks the file.
    for name in files:
        link = directory / name
        if not link.is_symlink():
            link.unlink(missing_ok=True)
            link.symlink_to(Path(DATA_LINK) / name)
    _remove_leftovers(directory, keep={DATA_LINK, fresh.name, *files})


def _write_file(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _remove_leftovers(directory: Path, *, keep: set[str]) -> None:
    for path in directory.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
