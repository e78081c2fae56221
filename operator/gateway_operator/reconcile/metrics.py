"""What Prometheus sees of the pods and of the statuses. Labels hold no names of objects."""

from typing import Final

from prometheus_client import Counter, Gauge

from gateway_operator.metrics import REGISTRY

_PREFIX: Final = "claude_gateway_operator"

POD_ASKS = Counter(
    "pod_asks", "Questions to pods which configuration they have loaded.", ["result"],
    namespace=_PREFIX, registry=REGISTRY,
)  # fmt: skip
POD_NUDGES = Counter(
    "pod_nudges", "Annotations written on pods so that their kubelet refreshes the configuration.", ["result"],
    namespace=_PREFIX, registry=REGISTRY,
)  # fmt: skip
PODS = Gauge("pods", "Proxy pods that are not ending.", namespace=_PREFIX, registry=REGISTRY)
PODS_BEHIND = Gauge(
    "pods_behind", "Pods that have not loaded the newest configuration of their gateway, or do not say.",
    namespace=_PREFIX, registry=REGISTRY,
)  # fmt: skip
STATUS_WRITES = Counter("status_writes", "Statuses written.", ["kind", "result"], namespace=_PREFIX, registry=REGISTRY)
EVENTS = Counter("events", "Events told.", ["result"], namespace=_PREFIX, registry=REGISTRY)
