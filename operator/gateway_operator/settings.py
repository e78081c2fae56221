"""What the process is told at its start: the options of `claude-gateway operator`."""

import logging
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway_operator.local.addresses import Address

LISTEN: Final = Address("0.0.0.0", 8080)  # noqa: S104  # the kubelet and Prometheus come from outside the pod
LEASE_NAME: Final = "claude-gateway-operator"


class SettingsError(Exception):
    """An option's value that cannot be used; the message names the option and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Seconds wherever a time is meant."""

    namespaces: tuple[str, ...] = ()
    """The namespaces that are looked after; empty: all of the cluster, which needs a ClusterRole."""
    operator_namespace: str = ""
    """Where the Lease is; empty: the namespace of our service account or kubeconfig context."""
    operator_pod_labels: dict[str, str] = field(default_factory=dict)
    """Labels of our own pods, by which the gateways' NetworkPolicies let us in."""
    identity: str = ""
    """The Lease's holder: the pod's name, so that a restarted container takes it up again at once."""
    lease_name: str = LEASE_NAME
    proxy_image: str = ""
    image_pull_policy: str = ""
    listen: Address = LISTEN
    resync: float = 600.0
    workers: int = 16
    crd_wait: float = 60.0
    log_level: int = logging.INFO
    kubeconfig: Path | None = None
    context: str | None = None

    @property
    def holder(self) -> str:
        return self.identity or socket.gethostname()

    def looks_after(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The namespaces to list and watch, each by itself; None: all at once."""
        return self.namespaces or (None,)

    def __post_init__(self) -> None:
        """Raises `SettingsError`."""
        if self.workers < 1:
            raise SettingsError(f"--workers {self.workers}: at least 1")
        if self.resync < 1:
            raise SettingsError(f"--resync-seconds {self.resync:g}: at least 1")
        if self.image_pull_policy not in ("", "Always", "IfNotPresent", "Never"):
            raise SettingsError(f"--image-pull-policy {self.image_pull_policy}: write Always, IfNotPresent or Never")


_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


def names_of(text: str, *, option: str) -> tuple[str, ...]:
    """Namespaces from a list with commas, each once. Raises `SettingsError`."""
    found = tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    for name in found:
        if _NAME.fullmatch(name) is None:
            raise SettingsError(f"{option}: {name!r} is no namespace's name; write names separated by commas")
    return found


def labels_of(text: str, *, option: str) -> dict[str, str]:
    """Labels from `key=value,key=value`. Raises `SettingsError`."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise SettingsError(f"{option}: {part!r} is no label; write KEY=VALUE, separated by commas")
        found[key] = value
    return found
