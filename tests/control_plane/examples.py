"""A small gateway in a namespace of its own, and questions about what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.cluster.api_client import ApiClient, eventually
from tests.cluster.api_server import ApiServer

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GROUP, VERSION
from gateway_operator.kube.resources import (
    DEPLOYMENTS,
    NETWORK_POLICIES,
    POD_DISRUPTION_BUDGETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    ResourceKind,
)

Manifest = dict[str, Any]
API_VERSION = f"{GROUP}/{VERSION}"
WITHIN = 30.0


def as_operator(server: ApiServer) -> ApiServer:
    """The same server with the operator's own user in its kubeconfig, so that the audit log tells who asked."""
    return replace(server, kubeconfig=server.operator_kubeconfig)


@dataclass(frozen=True)
class Example:
    """One gateway, its binding, one policy and the Secret with the provider's key."""

    api: ApiClient
    namespace: str
    name: str = "corp"

    @property
    def gateway(self) -> Manifest:
        return self._object("GatewayDeployment", self.name, {"publicURL": f"https://{self.name}.example"})

    @property
    def binding(self) -> Manifest:
        key = {"apiKeySecretRef": {"name": self.provider_key["metadata"]["name"], "key": "api-key"}}
        return self._attached("ProviderBinding", {"type": "Anthropic", "anthropic": key})

    @property
    def policy(self) -> Manifest:
        return self._attached("GatewayPolicy", {"availableModels": ["claude-sonnet-5-5"]})

    @property
    def provider_key(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{self.name}-provider", "namespace": self.namespace},
            "stringData": {"api-key": "sk-ant-api03-" + "x" * 40},
        }

    @property
    def children(self) -> dict[str, Manifest]:
        """What every gateway has, by `Kind/name`; manifests without content."""
        found = [
            self.child(SERVICE_ACCOUNTS, names.service_account(self.name)),
            *(self.child(kind) for kind in (DEPLOYMENTS, SERVICES, POD_DISRUPTION_BUDGETS, NETWORK_POLICIES)),
            *(self.child(SECRETS, name(self.name)) for name in (names.config_secret, names.credentials_secret)),
            self.child(SECRETS, names.signing_secret(self.name)),
        ]
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}

    def child(self, kind: ResourceKind, name: str = "") -> Manifest:
        return {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"namespace": self.namespace, "name": name or self.name},
        }

    def create(self) -> Example:
        for each in (self.provider_key, self.gateway, self.binding, self.policy):
            self.api.create(each).accepted()
        return self

    def conditions(self, manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
        """Status and reason of each."""
        conditions = self.api.read(manifest).get("status", {}).get("conditions", [])
        return {each["type"]: (each["status"], each["reason"]) for each in conditions}

    def live(self, manifest: Mapping[str, Any]) -> Manifest | None:
        answer = self.api.request("GET", self.api.path_of(manifest))
        return None if answer.status == 404 else answer.accepted()

    def uids(self) -> dict[str, str]:
        """Of all children, by `Kind/name`. Raises `ApiError` where one is missing."""
        return {name: self.api.read(child)["metadata"]["uid"] for name, child in self.children.items()}

    def missing(self) -> list[str]:
        return [name for name, child in self.children.items() if self.live(child) is None]

    def wait_for_children(self, *, within: float = WITHIN) -> None:
        eventually(lambda: not self.missing(), within=within, what=f"the children of {self.namespace}/{self.name}")

    def wait_for(
        self, manifest: Mapping[str, Any], condition: str, wanted: tuple[str, str], *, within: float = WITHIN
    ) -> None:
        def seen() -> bool:
            return self.conditions(manifest).get(condition) == wanted

        what = f"{condition} of {manifest['kind']} {self.namespace}/{manifest['metadata']['name']} is {wanted}"
        try:
            eventually(seen, within=within, what=what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.conditions(manifest)}") from None

    def _attached(self, kind: str, spec: Manifest) -> Manifest:
        return self._object(kind, self.name, {"gatewayRefs": [{"name": self.name}], **spec})

    def _object(self, kind: str, name: str, spec: Manifest) -> Manifest:
        return {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"namespace": self.namespace, "name": name},
            "spec": spec,
        }
