"""Helm for tests: renders and installs the chart, nothing of the user's own helm in reach."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "claude-gateway-operator"
RELEASE = "claude-gateway-operator"
NAMESPACE = "claude-gateway-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
# Our helm is built without the version of Kubernetes that it would take where it asks no cluster.
KUBE_VERSION = "--kube-version=1.36.0"

Values = Mapping[str, Any]
Manifest = dict[str, Any]


class HelmError(Exception):
    """helm refused; the message is what it printed."""


@dataclass(frozen=True, kw_only=True)
class Helm:
    program: Path
    folder: Path
    """Its caches and settings."""
    kubeconfig: Path | None = None

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Standard output. Raises `HelmError`."""
        command = [str(self.program), *arguments]
        given = None
        if values is not None:
            command += ["--values", "-"]
            given = json.dumps(values)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig or os.devnull),
        }
        done = subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, timeout=100, check=False
        )
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout

    def template(self, values: Values | None = None, *, namespace: str = NAMESPACE) -> list[Manifest]:
        """The objects that an installation with these values would make. Raises `HelmError`."""
        text = _rendered(self, json.dumps(values or {}), namespace)
        return [manifest for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader) if manifest]

    def install(self, values: Values | None = None, *, namespace: str = NAMESPACE) -> str:
        return self.run("install", RELEASE, str(CHART), "-n", namespace, "--wait=false", values=values or {})

    def upgrade(self, values: Values | None = None, *, namespace: str = NAMESPACE) -> str:
        return self.run("upgrade", RELEASE, str(CHART), "-n", namespace, "--wait=false", values=values or {})

    def uninstall(self, *, namespace: str = NAMESPACE) -> str:
        return self.run("uninstall", RELEASE, "-n", namespace, "--wait=false")


@lru_cache(maxsize=64)
def _rendered(helm: Helm, values: str, namespace: str) -> str:
    return helm.run("template", RELEASE, str(CHART), "-n", namespace, KUBE_VERSION, values=json.loads(values))


def only(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The one object of its kind (and name)."""
    (found,) = [each for each in manifests if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    return found


def kinds(manifests: list[Manifest]) -> set[str]:
    return {manifest["kind"] for manifest in manifests}
