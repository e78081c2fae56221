"""`tests/packages` names what is missing and installs it. Scripts stand in for apt-get and for root."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("packages")


class Machine:
    """One whose apt-get makes a program of each package's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.become("0")
        self.script("apt-get", f'echo "$@" >> {folder}/apt.log; for name; do :; done; ln -s /bin/true {folder}/$name\n')

    def script(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def become(self, user: str) -> None:
        self.script("id", f"echo {user}\n")

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs}:{self.folder}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "TMPDIR": str(self.folder)}
        return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    @property
    def installed(self) -> list[str]:
        log = self.folder / "apt.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[-1] for line in lines if "install" in line.split()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_each_missing_package_is_named_once(machine: Machine) -> None:
    done = machine("missing", "sh=dash", "no-such-a=one", "no-such-b=one", "/no/such/*/file=two")
    assert (done.returncode, done.stdout) == (0, "one two\n")


def test_nothing_missing_says_nothing(machine: Machine) -> None:
    (machine.folder / "15").mkdir()
    (machine.folder / "15" / "initdb").touch()
    done = machine("missing", "sh=dash", f"{machine.folder}/*/initdb=postgresql")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_missing_package_is_installed_once(machine: Machine) -> None:
    for _ in range(2):
        done = machine("install", "test-only-tool=test-only-tool")
        assert (done.returncode, done.stdout) == (0, "")
    assert machine.installed == ["test-only-tool"]


def test_who_is_not_root_is_told_the_command(machine: Machine) -> None:
    machine.become("1000")
    done = machine("install", "test-only-tool=test-only-tool")
    assert done.returncode == 1
    assert done.stderr == "packages: missing; as root: apt-get install -y test-only-tool\n"


def test_a_failed_installation_shows_its_last_lines(machine: Machine) -> None:
    machine.script("apt-get", "echo no such package; exit 100\n")
    done = machine("install", "test-only-tool=test-only-tool")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == ["no such package", "packages: apt-get failed; wanted: test-only-tool"]


def test_a_word_without_a_package_is_refused(machine: Machine) -> None:
    done = machine("missing", "initdb")
    assert (done.returncode, done.stderr) == (1, "packages: initdb is not COMMAND=PACKAGE\n")
