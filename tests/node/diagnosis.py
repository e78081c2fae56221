"""What a person would look at when a test of the node has failed."""

from collections.abc import Iterable
from typing import Any

from tests.node.kubernetes import CommandFailedError, Kube
from tests.node.operators import LABELS, NAMESPACE

LOG_LINES = 60


def sections(kube: Kube, namespaces: Iterable[str]) -> list[tuple[str, str]]:
    """Titles and texts: per namespace the objects, events and logs of its pods, then the operator's log. Secrets'
    values are in none of them."""
    found = []
    for namespace in namespaces:
        resources = "claude-gateway,deployments,pods,services,endpointslices"
        found.append((f"{namespace}: objects", _kubectl(kube, "-n", namespace, "get", resources, "-o", "wide")))
        found.append((f"{namespace}: conditions", _conditions(kube, namespace)))
        events = _kubectl(kube, "-n", namespace, "get", "events", "--sort-by=.lastTimestamp")
        found.append((f"{namespace}: events", "\n".join(events.splitlines()[-LOG_LINES:])))
        found += _logs(kube, namespace, "")
    return [*found, *_logs(kube, NAMESPACE, ",".join(f"{key}={value}" for key, value in LABELS.items()))]


def _conditions(kube: Kube, namespace: str) -> str:
    path = (
        '{range .items[*]}{.kind}/{.metadata.name}{"\\n"}'
        '{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\\n"}{end}{end}'
    )
    return _kubectl(kube, "-n", namespace, "get", "claude-gateway", "-o", f"jsonpath={path}")


def _logs(kube: Kube, namespace: str, selector: str) -> Iterable[tuple[str, str]]:
    names = _kubectl(kube, "-n", namespace, "get", "pods", "-l", selector, "-o", "name").split()
    for name in names:
        tail = ("-n", namespace, "logs", name, f"--tail={LOG_LINES}")
        yield f"{namespace}: log of {name}", _kubectl(kube, *tail)
        if previous := _kubectl(kube, *tail, "--previous", quiet=True):
            yield f"{namespace}: log of {name} before its restart", previous


def _kubectl(kube: Kube, *arguments: str, quiet: bool = False) -> str:
    """A test has failed already: what cannot be read is said in place of it."""
    try:
        return kube.kubectl(*arguments)
    except CommandFailedError as error:
        return "" if quiet else str(error)


def said(kube: Kube, namespace: str) -> dict[str, Any]:
    """All that people and machines may read in a namespace, by source: for searches for what must not be there."""
    found: dict[str, Any] = {
        kind: _kubectl(kube, "-n", namespace, "get", kind, "-o", "yaml")
        for kind in ("claude-gateway", "events", "deployments", "pods", "services", "configmaps", "networkpolicies")
    }
    found["Secrets' metadata"] = _kubectl(
        kube, "-n", namespace, "get", "secrets", "-o", "jsonpath={range .items[*]}{.metadata}{'\\n'}{end}"
    )
    return found | dict(_logs(kube, namespace, ""))
