"""The operator as the chart installs it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.node.kubernetes import Kube, eventually, is_ready, reference, run

NAMESPACE = "claude-gateway-system"
RELEASE = "claude-gateway-operator"
LABELS = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": "operator"}
ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "claude-gateway-operator"
VALUES = ROOT / "tests" / "cluster" / "values.yaml"
ARCHIVE = ROOT / "build" / "images" / "claude-gateway-operator.tar"
READY_SECONDS = 60.0


class Operator:
    """The release of the chart that all tests share."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def install(self, *arguments: str) -> None:
        """`helm upgrade --install` with the images that `make images` built, until the operator is ready. `arguments`
        are helm's, such as `--set replicas=2`; without them, every value is the tests' own again."""
        helm(
            *("upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace"),
            *("--values", str(VALUES), "--set-string", f"podAnnotations.image={_image_digest()}", "--reset-values"),
            *("--wait", "--timeout", "90s", *arguments),
        )

    @property
    def deployment(self) -> dict[str, Any]:
        return reference("apps/v1", "Deployment", NAMESPACE, RELEASE)

    def pods(self) -> list[Any]:
        return self._kube.pods(NAMESPACE, LABELS)

    def wait_ready(self, *, replicas: int = 1) -> None:
        def ready() -> bool:
            pods = self.pods()
            return len(pods) == replicas and all(map(is_ready, pods))

        eventually(ready, within=READY_SECONDS, what=f"{replicas} ready pods of the operator")

    def scale(self, replicas: int) -> None:
        """Sets the number of pods and waits until they, and no others, are ready."""
        self._kube.merge(self.deployment, {"spec": {"replicas": replicas}}, subresource="scale")
        self.wait_ready(replicas=replicas)

    def log_text(self) -> str:
        """Of all its pods, what their containers said before a restart included."""
        return "\n".join(
            self._kube.kubectl("-n", NAMESPACE, "logs", pod["metadata"]["name"], f"--previous={previous}")
            for pod in self.pods()
            for previous in _lives(pod)
        )

    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines() if line]


def _image_digest() -> str:
    """As `cluster install` gives it to the pods, so that neither rolls what the other installed."""
    with ARCHIVE.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def helm(*arguments: str) -> str:
    """Raises `CommandFailedError`."""
    return run("helm", *arguments)


def _lives(pod: dict[str, Any]) -> Sequence[str]:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return ("true", "false") if any(status["restartCount"] for status in statuses) else ("false",)
