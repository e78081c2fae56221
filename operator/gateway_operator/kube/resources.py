"""The kinds of objects that the operator reads or writes, and their paths on the API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

GROUP: Final = "claude-gateway.dev"


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of object in one version. `group` is empty for the core kinds."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """Where the API server says which kinds of this group and version it serves."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The path of one object, or without `name` of the collection: of all namespaces where none is given.

        Raises `ValueError` for one namespaced object without its namespace.
        """
        parts = [self.group_path]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        elif self.namespaced and name:
            raise ValueError(f"{self.kind} {name}: the path of a namespaced object needs its namespace")
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


GATEWAY_DEPLOYMENTS: Final = ResourceKind(GROUP, "v1alpha1", "gatewaydeployments", "GatewayDeployment")
PROVIDER_BINDINGS: Final = ResourceKind(GROUP, "v1alpha1", "providerbindings", "ProviderBinding")
GATEWAY_POLICIES: Final = ResourceKind(GROUP, "v1alpha1", "gatewaypolicies", "GatewayPolicy")

SECRETS: Final = ResourceKind("", "v1", "secrets", "Secret")
CONFIG_MAPS: Final = ResourceKind("", "v1", "configmaps", "ConfigMap")
NAMESPACES: Final = ResourceKind("", "v1", "namespaces", "Namespace", namespaced=False)
PODS: Final = ResourceKind("", "v1", "pods", "Pod")
SERVICES: Final = ResourceKind("", "v1", "services", "Service")
SERVICE_ACCOUNTS: Final = ResourceKind("", "v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUME_CLAIMS: Final = ResourceKind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENTS: Final = ResourceKind("events.k8s.io", "v1", "events", "Event")

DEPLOYMENTS: Final = ResourceKind("apps", "v1", "deployments", "Deployment")
INGRESSES: Final = ResourceKind("networking.k8s.io", "v1", "ingresses", "Ingress")
NETWORK_POLICIES: Final = ResourceKind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
HORIZONTAL_POD_AUTOSCALERS: Final = ResourceKind(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
POD_DISRUPTION_BUDGETS: Final = ResourceKind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
HTTP_ROUTES: Final = ResourceKind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
SERVICE_MONITORS: Final = ResourceKind("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")
LEASES: Final = ResourceKind("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS: Final = ResourceKind(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)

ALL_KINDS: Final = (
    GATEWAY_DEPLOYMENTS,
    PROVIDER_BINDINGS,
    GATEWAY_POLICIES,
    SECRETS,
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    SERVICES,
    SERVICE_ACCOUNTS,
    PERSISTENT_VOLUME_CLAIMS,
    EVENTS,
    DEPLOYMENTS,
    INGRESSES,
    NETWORK_POLICIES,
    HORIZONTAL_POD_AUTOSCALERS,
    POD_DISRUPTION_BUDGETS,
    HTTP_ROUTES,
    SERVICE_MONITORS,
    LEASES,
    CUSTOM_RESOURCE_DEFINITIONS,
)
_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in ALL_KINDS}


def kind_of(manifest: Mapping[str, Any]) -> ResourceKind:
    """The kind of a manifest, by its apiVersion and kind. Raises `ValueError` for one that is not listed here."""
    api_version, kind = manifest.get("apiVersion"), manifest.get("kind")
    try:
        return _BY_NAME[str(api_version), str(kind)]
    except KeyError:
        raise ValueError(f"apiVersion: {api_version}, kind: {kind}: not a kind that the operator handles") from None
