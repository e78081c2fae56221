"""A base image made on this machine from Debian's packages, for where no image registry can be reached.

The tests take it, so that they depend on a package mirror alone. It has no security updates: a person's own image
takes python:3.13-slim, or a base of their organization.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import tarfile
import tempfile
from pathlib import Path

from images.builders import Builder
from images.commands import CommandError, Report, run

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
PRUNED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
"""Folders that are emptied: a third of the bytes, and nothing that runs needs them."""


def base(builder: Builder, report: Report) -> str:
    """The name of the base image in the builder's store, made if it is not there. Raises `CommandError`."""
    key = _key()
    image = f"localhost/claude-gateway-debian-base:{key}"
    if not builder.has(image):
        builder.take_in(_root(key, report), image, report)
    return image


def why_not() -> str | None:
    """Why it cannot be made here; None where it can."""
    if _archive(_key()).exists():
        return None
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    return None if os.geteuid() == 0 else "debootstrap needs root"


def _mirror() -> str:
    return os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")


def _key() -> str:
    """Of everything that decides what is in the base."""
    recipe = (SUITE, PACKAGES, PRUNED, _mirror(), platform.machine())
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def _archive(key: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "claude-gateway-operator" / "images" / f"debian-{SUITE}-{key}.tar"


def _root(key: str, report: Report) -> Path:
    """The tar of the root file system, from the cache or made now. Two runs at once make it once."""
    archive = _archive(key)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            if reason := why_not():
                raise CommandError(f"no Debian base: {reason}. On Debian: apt-get install -y debootstrap, as root")
            _make(archive, report)
    return archive


def _make(archive: Path, report: Report) -> None:
    report(f"making a Debian base with debootstrap (about a minute, once; kept as {archive}) ...")
    part = archive.with_suffix(".part")
    with tempfile.TemporaryDirectory(prefix="claude-gateway-debian-") as scratch:
        root = Path(scratch, "root")
        include = ",".join(PACKAGES)
        command = ["debootstrap", "--variant=minbase", f"--include={include}", SUITE, str(root), _mirror()]
        run(command, what="debootstrap", report=report)
        for folder in PRUNED:
            shutil.rmtree(root / folder)
            (root / folder).mkdir()
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(root, arcname=".", filter=_without_devices)
        part.rename(archive)


def _without_devices(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Whoever runs the image makes its devices."""
    return None if member.isdev() else member
