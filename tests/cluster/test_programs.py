"""Programs are built once, whole or not at all, and anew when their pin changes. A script stands in for Go."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from tests.cluster import programs
from tests.cluster.programs import BuildError, ensure

GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.8; exit; fi
echo "$@" >> {log}
if [ -e {folder}/broken ]; then echo "undefined: everything" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
{pause}
printf '#!/bin/sh\\n' > "$2"
chmod +x "$2"
"""


class Builds:
    """A folder with its own pins, cache and Go; `made` is the number of builds that were begun."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "tools"
        self.said: list[str] = []
        shutil.copytree(programs.TOOLS, self.tools)
        self.go("")

    def go(self, pause: str) -> None:
        path = self.folder / "path" / "go"
        path.parent.mkdir(exist_ok=True)
        path.write_text(GO.format(log=self.folder / "log", folder=self.folder, pause=pause))
        path.chmod(0o755)

    def __call__(self, *names: str) -> dict[str, Path]:
        return ensure(names, report=self.said.append)

    @property
    def made(self) -> int:
        log = self.folder / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    builds = Builds(tmp_path)
    monkeypatch.setattr(programs, "TOOLS", builds.tools)
    monkeypatch.setenv("CLAUDE_GATEWAY_TEST_BIN", str(tmp_path / "bin"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    return builds


def test_a_program_is_built_once(builds: Builds) -> None:
    first = builds("etcd", "kubectl")
    assert all(os.access(path, os.X_OK) for path in first.values())
    assert builds("etcd", "kubectl") == first
    assert builds.made == 2


def test_only_what_is_asked_for_is_built(builds: Builds) -> None:
    builds("helm")
    assert builds.made == 1
    assert any(line.startswith("building helm v3") for line in builds.said)


def test_a_changed_pin_builds_anew(builds: Builds) -> None:
    before = builds("helm", "etcd")
    pins = builds.tools / "helm" / "go.mod"
    pins.write_text(pins.read_text().replace("helm.sh/helm/v3 v3", "helm.sh/helm/v3 v3.99"))
    after = builds("helm", "etcd")
    assert after["etcd"] == before["etcd"]
    assert after["helm"] != before["helm"]
    assert "v3.99" in str(after["helm"])
    assert before["helm"].exists()


def test_a_failed_build_leaves_nothing_and_says_why(builds: Builds) -> None:
    (builds.folder / "broken").touch()
    with pytest.raises(BuildError, match="undefined: everything"):
        builds("etcd")
    left = [path for path in (builds.folder / "bin").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not left
    (builds.folder / "broken").unlink()
    assert builds("etcd")["etcd"].exists()


def test_two_runs_at_once_build_once(builds: Builds) -> None:
    waits = threading.Event()
    builds.go(pause=f"while [ ! -e {builds.folder}/go-on ]; do sleep 0.02; done")

    def say(line: str) -> None:
        if line.startswith("waiting"):
            waits.set()

    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(ensure(["etcd"], report=say)["etcd"]), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    assert waits.wait(timeout=20)
    (builds.folder / "go-on").touch()
    for thread in threads:
        thread.join(timeout=20)
    assert len(paths) == 2
    assert paths[0] == paths[1]
    assert builds.made == 1


def test_programs_at_hand_are_taken(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = builds.folder / "assets"
    assets.mkdir()
    (assets / "etcd").touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    taken = builds("etcd", "helm")
    assert taken["etcd"] == assets / "etcd"
    assert taken["helm"].parent != assets
    assert builds.made == 1


def test_a_wrong_assets_folder_is_named(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", "/does/not/exist")
    with pytest.raises(BuildError, match="KUBEBUILDER_ASSETS=/does/not/exist"):
        builds("etcd")


def test_every_program_has_a_pinned_version() -> None:
    pinned = [program for program in programs.PROGRAMS.values() if program.module]
    assert all(programs.version_of(program) != "v0" for program in pinned)
    assert programs.version_of(programs.PROGRAMS["kube-apiserver"]).startswith("v1.")
