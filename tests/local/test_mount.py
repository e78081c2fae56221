"""The bundle directory as the kubelet would write it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_operator.local import mount


def test_files_are_links_through_one_link(tmp_path: Path) -> None:
    target = tmp_path / "config"
    mount.write(target, {"index.json": b"1", "part-0": b"2"})
    assert (target / "index.json").read_bytes() == b"1"
    assert str((target / "index.json").readlink()) == "..data/index.json"
    assert (target / "..data").is_symlink()


def test_a_new_bundle_replaces_the_old_one(tmp_path: Path) -> None:
    mount.write(tmp_path, {"index.json": b"1", "part-0": b"2", "part-1": b"3"})
    mount.write(tmp_path, {"index.json": b"4", "part-0": b"5"})
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith("..")} == {"index.json", "part-0"}
    assert (tmp_path / "index.json").read_bytes() == b"4"
    assert len([path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]) == 1


def test_only_the_owner_reads(tmp_path: Path) -> None:
    target = tmp_path / "config"
    os.umask(os.umask(0o000))
    mount.write(target, {"credentials.json": b"secret"})
    for path in [target, (target / "..data").resolve()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "credentials.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["mkdir", "symlink_to", "replace", "rmtree"])
def test_what_a_killed_writer_left_is_removed(tmp_path: Path, step: str) -> None:
    """The writer kills itself in the middle of its second write; whatever is there then is readable and whole."""
    script = f"""
import os, shutil, signal, sys
from pathlib import Path
from gateway_operator.local import mount
target = Path(sys.argv[1])
mount.write(target, {{"index.json": b"old", "part-0": b"old"}})
owner, name = (shutil, "rmtree") if {step!r} == "rmtree" else (Path, {step!r})
original = getattr(owner, name)
def dying(*args, **kwargs):
    if not (name == "mkdir" and args[0] == target):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)
setattr(owner, name, dying)
mount.write(target, {{"index.json": b"new", "part-0": b"new", "part-1": b"new"}})
"""
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert died.returncode == -9
    assert (tmp_path / "index.json").read_bytes() == (tmp_path / "part-0").read_bytes()
    mount.write(tmp_path, {"index.json": b"next"})
    assert (tmp_path / "index.json").read_bytes() == b"next"
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("..2")) == [
        "..data",
        "index.json",
    ]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("..2")]) == 1


def test_a_reader_never_sees_two_bundles_mixed(tmp_path: Path) -> None:
    mount.write(tmp_path, {"index.json": b"0", "part-0": b"0"})
    for number in range(1, 50):
        root = (tmp_path / "index.json").resolve().parent
        before = (root / "index.json").read_bytes()
        assert (root / "part-0").read_bytes() == before
        mount.write(tmp_path, {"index.json": b"%d" % number, "part-0": b"%d" % number})
        seen = (tmp_path / "index.json").resolve().parent
        assert {(seen / name).read_bytes() for name in ("index.json", "part-0")} == {b"%d" % number}


@pytest.mark.parametrize("name", ["index.json", "notes.txt", "..mine", "..data"])
def test_what_is_not_of_a_bundle_is_told(tmp_path: Path, name: str) -> None:
    assert mount.foreign(tmp_path / "absent") is None
    target = tmp_path / "config"
    mount.write(target, {"part-0": b"1"})
    mount.write(target, {"part-0": b"2", "part-1": b"3"})
    assert mount.foreign(target) is None
    (target / name).unlink(missing_ok=True)
    (target / name).write_text("mine")
    assert mount.foreign(target) == name
