"""What every child of one gateway is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GROUP, VERSION
from gateway_operator.api.v1alpha1.exposure import ExposureType
from gateway_operator.api.v1alpha1.gateway_deployment import GatewayDeploymentSpec
from gateway_operator.compiler import ObjectRef
from gateway_operator.kube.resources import ResourceKind

Manifest = dict[str, Any]

HTTP_PORT: Final = 8080
HTTPS_PORT: Final = 8443
ADMIN_PORT: Final = 8081
METRICS_PORT: Final = 9090
"""Ports of the proxy container, by the proxy's own defaults; https is ours to choose."""
METRICS: Final = "metrics"
ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What children take from the operator instead of from a gateway."""

    image: str
    """Of gateways that name none."""
    operator_namespace: str
    operator_pod_labels: Mapping[str, str]
    """The operator's pods are found by them; only these pods may reach the admin ports."""
    image_pull_policy: str = ""
    """Empty: Kubernetes' own default."""
    serves: frozenset[ResourceKind] = frozenset()
    """Which of the optional kinds the API server has: HTTPRoute, ServiceMonitor."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One gateway, validated, on its way to manifests."""

    spec: GatewayDeploymentSpec
    ref: ObjectRef
    uid: str
    """Empty where the gateway is in no cluster; its children then have no owner."""
    settings: ChildSettings
    token_audiences: tuple[str, ...] = ()
    """Of the service account's tokens that the pods need as files, for exchanges with other parties."""

    @property
    def name(self) -> str:
        return self.ref.name

    @property
    def port_name(self) -> str:
        """Of the port that developers reach, in the pods and in the Service."""
        return "http" if self.spec.exposure.tls is None else "https"

    @property
    def container_port(self) -> int:
        return HTTP_PORT if self.spec.exposure.tls is None else HTTPS_PORT

    @cached_property
    def service_port(self) -> int:
        """The scheme's own port behind an Ingress or a route. Where the Service itself is what `publicURL` names, the
        port that developers use: TLS may end in the load balancer."""
        exposure = self.spec.exposure
        url = urlsplit(self.spec.public_url)
        reached_directly = exposure.type == ExposureType.LOAD_BALANCER or (
            exposure.type == ExposureType.CLUSTER_IP and exposure.tls is not None
        )
        if reached_directly:
            return url.port or (443 if url.scheme == "https" else 80)
        return 80 if exposure.tls is None else 443

    @cached_property
    def public_host(self) -> str | None:
        """The host name in `publicURL`; None for an address, which no Ingress and no route can be bound to."""
        host = urlsplit(self.spec.public_url).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return host
        return None

    @property
    def selector(self) -> dict[str, str]:
        """Of the gateway's pods. A Deployment's selector can never change, and so these labels cannot either."""
        return names.child_labels(self.name)

    def manifest(
        self,
        kind: ResourceKind,
        *,
        name: str = "",
        annotations: Mapping[str, str] | None = None,
        owned: bool = True,
        **members: Any,
    ) -> Manifest:
        """A child with everything that children share. `name`: the gateway's own where none is given.

        Owned children are deleted by Kubernetes when the gateway is. The owner does not block on them, or the operator
        would need the right to set finalizers.
        """
        metadata: dict[str, Any] = {
            "name": name or self.name,
            "namespace": self.ref.namespace,
            "labels": names.child_labels(self.name),
        }
        if annotations:
            metadata["annotations"] = dict(annotations)
        if owned and self.uid:
            metadata["ownerReferences"] = [owner_reference(self.ref, self.uid)]
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **members}


def owner_reference(ref: ObjectRef, uid: str) -> Manifest:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": ref.kind,
        "name": ref.name,
        "uid": uid,
        "controller": True,
    }
