"""Talking to the test node as its administrator."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.api_client import ApiClient, ApiError, eventually

Manifest = dict[str, Any]
ADDRESS = "10.250.0.1"
"""The node's own: what a test starts there is reached from pods; loopback is not."""
COMMAND_SECONDS = 110.0


class CommandFailedError(Exception):
    """A command ended with an error; the message holds all that it said."""


def run(*command: str, given: str | None = None, timeout: float = COMMAND_SECONDS) -> str:
    """What a command printed. Raises `CommandFailedError`."""
    done = subprocess.run(command, input=given or "", capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise CommandFailedError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Kube(ApiClient):
    """An API client with the administrator's certificate, and what tests of a whole node do most."""

    def __init__(self, state: Path, *, user: str | None = None) -> None:
        super().__init__(
            "https://127.0.0.1:6443",
            certificate=state / "ca.crt",
            client_certificate=(state / "admin.crt", state / "admin.key"),
            user=user,
        )
        self.state = state

    def as_user(self, user: str) -> "Kube":
        """A client that may do what RBAC gives `user`, such as system:serviceaccount:NAMESPACE:NAME."""
        return Kube(self.state, user=user)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Raises `CommandFailedError`."""
        return run("kubectl", *arguments, given=given)

    def apply_all(self, manifests: Iterable[Manifest]) -> None:
        """Server-side apply of each, in order. Raises `ApiError`."""
        for manifest in manifests:
            self.apply(manifest).accepted()

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> Any | None:
        """The object, or None where there is none of the name. Raises `ApiError`."""
        path = self.path_of(reference(api_version, kind, namespace, name))
        answer = self.request("GET", path)
        return None if answer.status == 404 else answer.accepted()

    def objects(self, api_version: str, kind: str, namespace: str, *, labels: Mapping[str, str] | None = None) -> Any:
        """The objects of a kind in a namespace that carry all the labels. Raises `ApiError`."""
        path = self.path_of(reference(api_version, kind, namespace, ""), name=False)
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        answer = self.request("GET", path, query={"labelSelector": selector} if selector else None)
        return answer.accepted().get("items") or []

    def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Any]:
        """Pods that nobody has asked to end yet."""
        found = self.objects("v1", "Pod", namespace, labels=labels)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def merge(self, manifest: Manifest, change: Mapping[str, Any], *, subresource: str = "") -> Any:
        """The object after a merge patch. Raises `ApiError`."""
        path = self.path_of(manifest) + (f"/{subresource}" if subresource else "")
        answer = self.request("PATCH", path, body=change, content_type="application/merge-patch+json")
        return answer.accepted()

    def wait_gone(self, manifest: Manifest, *, within: float = 60.0) -> None:
        """Raises `TimeoutError`."""
        path = self.path_of(manifest)
        eventually(lambda: self.request("GET", path).status == 404, within=within, what=f"{path} is gone")


def reference(api_version: str, kind: str, namespace: str, name: str) -> Manifest:
    """The least that names an object."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def state_folder() -> Path | None:
    """The folder of the cluster whose namespaces we run in; None outside of any."""
    inside = os.environ.get("CLUSTER_INSIDE") and os.environ.get("CLUSTER_STATE")
    return Path(str(os.environ["CLUSTER_STATE"])) if inside else None


__all__ = [
    "ADDRESS",
    "ApiError",
    "CommandFailedError",
    "Kube",
    "Manifest",
    "eventually",
    "is_ready",
    "reference",
    "run",
    "state_folder",
]
