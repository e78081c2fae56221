"""The marks that only a whole node can show: a real kubelet's mounts, rollouts, evictions, the chart's first install.

A node of its own is started for them in private namespaces, and ended. With `CLUSTER_STATE` naming one that runs, that
one is measured, with what is installed there, and left running.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.bench import Bench
from bench.processes import MeasurementError
from bench.report import Result

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "tests" / "cluster" / "cluster"
PYTHON = ROOT / ".venv" / "bin" / "python"
STATE = "/tmp/claude-gateway-bench-node"


def on_a_node(bench: Bench) -> Sequence[Result]:
    """Raises MeasurementError."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise MeasurementError("a whole node needs Linux and root: sudo -E make bench")
    environment = {"CLUSTER_STATE": STATE} | os.environ
    given = "CLUSTER_STATE" in os.environ and _succeeds(environment, "running")
    try:
        if not given:
            _start(bench, environment)
        quick = ("--quick",) if bench.quick else ()
        output = _cluster(environment, "exec", PYTHON, "-m", "bench.node", *quick, progress=True)
    finally:
        if not given:
            _succeeds(environment, "down")
    return [Result(**one | {"notes": tuple(one["notes"])}) for one in json.loads(output)]


def _start(bench: Bench, environment: dict[str, str]) -> None:
    bench.progress("images, and a node")
    _cluster(environment, "packages", "install")
    _run([ROOT / "images" / "build"], environment)
    _cluster(environment, "down")
    _cluster(environment, "up")
    _cluster(environment, "load", *sorted((ROOT / "build" / "images").glob("*.tar")))


def _cluster(environment: dict[str, str], *arguments: str | Path, progress: bool = False) -> str:
    return _run([CLUSTER, *arguments], environment, progress=progress)


def _run(command: Sequence[str | Path], environment: dict[str, str], *, progress: bool = False) -> str:
    """What it printed; `progress`: what it says beside is shown as it comes. Raises MeasurementError."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE,
    )  # fmt: skip
    if done.returncode != 0:
        said = "" if progress else f": {done.stderr.strip()[-600:]}"
        raise MeasurementError(f"{Path(command[0]).name} {command[1] if len(command) > 1 else ''} failed{said}")
    return done.stdout


def _succeeds(environment: dict[str, str], *arguments: str) -> bool:
    return subprocess.run([str(CLUSTER), *arguments], env=environment, check=False).returncode == 0
