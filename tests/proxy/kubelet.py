"""Files in a directory the way the kubelet projects a volume: a directory for each version, swapped by one link."""

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path

_versions = itertools.count(1)


def project(directory: Path, files: Mapping[str, bytes]) -> None:
    """Puts a new version in place of the one before, in one step."""
    directory.mkdir(parents=True, exist_ok=True)
    version = directory / f"..2026_11_23_10_00_00.{next(_versions)}"
    version.mkdir()
    for name, data in files.items():
        (version / name).write_bytes(data)
    link = directory / "..data"
    before = link.resolve() if link.is_symlink() else None
    fresh = directory / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.rename(link)
    for name in files:
        shown = directory / name
        if not shown.is_symlink():
            shown.symlink_to(Path("..data") / name)
    for shown in directory.iterdir():
        if shown.is_symlink() and not shown.name.startswith("..") and shown.name not in files:
            shown.unlink()
    if before is not None:
        shutil.rmtree(before)
