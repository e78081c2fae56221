"""Gateways on the test node: applied as an admin would, asked as a developer would."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.node.kubernetes import Kube, Manifest, eventually, is_ready, reference
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import ALICE
from tests.standins.manifests import API_VERSION, developer_key, key_of, secret
from tests.standins.raw_client import ClosedEarlyError, Connection, Response, connect, fetch, request_bytes

from gateway_operator import names

READY_SECONDS = 60.0
PROGRAMMED_SECONDS = 20.0
"""How long a test waits, not how long it may take: the marks are the benchmarks' business."""
BODY = b'{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{"role":"user","content":"hello"}]}'
STREAMED = BODY[:-1] + b',"stream":true}'

DEFAULTS: Manifest = {
    "publicURL": "https://claude.corp.example",
    "replicas": 1,
    "drain": "30s",
    # the node has two cores for everything: what pods ask for must not decide which tests fit
    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
}


class NodeGateway:
    """One GatewayDeployment in a namespace of the test's."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self.namespace = namespace
        self.name = name
        self._connections: list[Connection] = []

    # --- as an admin -----------------------------------------------------------------------------

    def object(self, kind: str, name: str, spec: Mapping[str, Any]) -> Manifest:
        """A manifest of one of the three kinds, in this gateway's namespace."""
        return reference(API_VERSION, kind, self.namespace, name) | {"spec": dict(spec)}

    def deployment(self, **spec: Any) -> Manifest:
        """The gateway itself. A field given as None is left out."""
        given = {key: value for key, value in (DEFAULTS | spec).items() if value is not None}
        return self.object("GatewayDeployment", self.name, given)

    def binding(self, name: str, url: str, **spec: Any) -> Manifest:
        """An Anthropic upstream at `url`, with the credential in the Secret `anthropic`."""
        anthropic = {"baseURL": url, "apiKeySecretRef": {"name": "anthropic", "key": "value"}}
        fixed = {"gatewayRefs": [{"name": self.name}], "type": "Anthropic", "anthropic": anthropic}
        return self.object("ProviderBinding", name, fixed | spec)

    def policy(self, name: str, **spec: Any) -> Manifest:
        return self.object("GatewayPolicy", name, {"gatewayRefs": [{"name": self.name}]} | spec)

    def secret(self, **given: str) -> Manifest:
        return self._here(secret(**given))

    def developer_key(self, user: str = ALICE, *groups: str) -> Manifest:
        """The Secret of the key that `key_of(user)` is."""
        manifest = self._here(developer_key(user, *groups))
        manifest["metadata"]["labels"] = {names.GATEWAY_LABEL: self.name}
        return manifest

    def smallest(self, upstream: AnthropicUpstream, **spec: Any) -> list[Manifest]:
        """What makes a gateway that answers Alice, with every model open to everyone."""
        return [
            self.secret(),
            self.developer_key(ALICE, "engineering"),
            self.deployment(**spec),
            self.binding("anthropic", upstream.url),
            self.policy("everyone"),
        ]

    def apply(self, *manifests: Manifest) -> None:
        """Raises `ApiError`."""
        self._kube.apply_all(manifests)

    def _here(self, manifest: Manifest) -> Manifest:
        return manifest | {"metadata": manifest["metadata"] | {"namespace": self.namespace}}

    # --- what the cluster says of it -------------------------------------------------------------

    def condition(self, kind: str, name: str, type_: str) -> Mapping[str, Any]:
        """The condition, where it speaks of the object as it is now; empty otherwise."""
        found = self._kube.find(API_VERSION, kind, self.namespace, name)
        if found is None:
            return {}
        conditions = found.get("status", {}).get("conditions") or []
        one: Mapping[str, Any] = next((one for one in conditions if one["type"] == type_), {})
        return one if one.get("observedGeneration") == found["metadata"]["generation"] else {}

    def wait_condition(
        self,
        kind: str,
        name: str,
        type_: str,
        *,
        status: str = "True",
        reason: str | None = None,
        within: float = PROGRAMMED_SECONDS,
    ) -> Mapping[str, Any]:
        """The condition once it has the status, and the reason where one is named. Raises `TimeoutError`."""
        last: Mapping[str, Any] = {}

        def holds() -> bool:
            nonlocal last
            last = self.condition(kind, name, type_)
            return last.get("status") == status and reason in (None, last.get("reason"))

        try:
            eventually(holds, within=within, what=f"{type_}={status} of {kind} {self.namespace}/{name}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the condition: {dict(last)}") from None
        return last

    def wait_programmed(self, *manifests: Manifest) -> None:
        """Until every ready pod has loaded each of the objects as they are now. Raises `TimeoutError`."""
        for manifest in manifests or (self.deployment(),):
            self.wait_condition(manifest["kind"], manifest["metadata"]["name"], "Programmed")

    def wait_ready(self, *, within: float = READY_SECONDS) -> None:
        """Raises `TimeoutError`."""
        self.wait_condition("GatewayDeployment", self.name, "Ready", within=within)

    def wait_reachable(self) -> None:
        """Until the Service's address leads to a pod, which Ready does not say: the node's rules follow a moment later,
        and a connection that was begun before is never answered. Raises `TimeoutError`."""

        def connects() -> bool:
            try:
                with connect(self.port, host=self.host, timeout=1.0):
                    return True
            except OSError:
                return False

        eventually(connects, within=PROGRAMMED_SECONDS, what=f"the Service of {self.namespace}/{self.name} is reached")

    def status(self) -> Mapping[str, Any]:
        found = self._kube.find(API_VERSION, "GatewayDeployment", self.namespace, self.name)
        assert found is not None, f"there is no gateway {self.namespace}/{self.name}"
        status: Mapping[str, Any] = found.get("status") or {}
        return status

    def pods(self) -> list[Any]:
        """Those that nobody has asked to end."""
        return self._kube.pods(self.namespace, names.child_labels(self.name))

    def ready_pods(self) -> list[Any]:
        return [pod for pod in self.pods() if is_ready(pod)]

    def wait_pods(self, count: int, *, within: float = READY_SECONDS) -> list[Any]:
        """The pods once so many are ready and there is no other. Raises `TimeoutError`."""

        def all_ready() -> list[Any]:
            pods = self.pods()
            return pods if len(pods) == count and all(map(is_ready, pods)) else []

        return eventually(all_ready, within=within, what=f"{count} ready pods of {self.namespace}/{self.name}")

    def child(self, api_version: str, kind: str, name: str | None = None) -> Any | None:
        """One of the gateway's children; by default of its own name."""
        return self._kube.find(api_version, kind, self.namespace, name or self.name)

    def pod_logs(self, pod: Mapping[str, Any]) -> str:
        """Operational and audit log, mixed."""
        return self._kube.kubectl("-n", self.namespace, "logs", pod["metadata"]["name"])

    # --- as a developer --------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address of its Service."""
        service = self.child("v1", "Service")
        assert service is not None, f"gateway {self.namespace}/{self.name} has no Service"
        return str(service["spec"]["clusterIP"])

    @property
    def port(self) -> int:
        service = self.child("v1", "Service")
        assert service is not None, f"gateway {self.namespace}/{self.name} has no Service"
        return int(service["spec"]["ports"][0]["port"])

    @property
    def url(self) -> str:
        """Of the Service, as the tests reach it; `publicURL` is what developers would be told."""
        return f"http://{self.host}:{self.port}"

    def ask(
        self,
        body: bytes = BODY,
        *,
        user: str = ALICE,
        pod: Mapping[str, Any] | None = None,
        headers: framing.Headers = (),
    ) -> Response:
        """One inference request on a connection of its own, through the Service or of one pod."""
        host, port = (self.host, self.port) if pod is None else (pod["status"]["podIP"], 8080)
        given = [*self.headers(user), *framing.pairs(headers)]
        return fetch(port, "POST", "/v1/messages?beta=true", headers=given, body=body, host=host)

    def begin(self, body: bytes = STREAMED, *, user: str = ALICE, pod: Mapping[str, Any] | None = None) -> Connection:
        """Sends an inference request and leaves the answer to be read. Closed at the test's end at the latest."""
        host, port = (self.host, self.port) if pod is None else (pod["status"]["podIP"], 8080)
        connection = Connection(port, host=host)
        self._connections.append(connection)
        connection.send(request_bytes("POST", "/v1/messages?beta=true", self.headers(user), body))
        return connection

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    @staticmethod
    def headers(user: str = ALICE) -> list[tuple[str, str]]:
        return [
            ("authorization", f"Bearer {key_of(user)}"),
            ("content-type", "application/json"),
            ("anthropic-version", "2023-06-01"),
        ]


Gateways = Callable[..., NodeGateway]
"""`gateways(name="corp", namespace=None, more=(), ready=True, **spec)`: see the fixture."""


def on_every_pod(gateway: NodeGateway, holds: Callable[[Response], bool], *, body: bytes = BODY) -> bool:
    """Whether every ready pod gives Alice an answer of which this holds."""
    pods = gateway.ready_pods()
    return bool(pods) and all(holds(gateway.ask(body, pod=pod)) for pod in pods)


def answers(gateway: NodeGateway) -> bool:
    """Whether Alice gets an answer through the Service; not, while it is being made or leads nowhere."""
    try:
        with connect(gateway.port, host=gateway.host, timeout=2.0) as connection:
            target = "/v1/messages?beta=true"
            return connection.request("POST", target, headers=gateway.headers(), body=BODY).status == 200
    except (AssertionError, OSError, ClosedEarlyError):
        return False


def errors_of(responses: Iterable[Response]) -> list[str]:
    """Answers other than 200, shortened for a message."""
    return [f"{one.status}: {json.dumps(one.body[:200].decode())}" for one in responses if one.status != 200]
