"""Many gateways with their bindings, policies and Secrets, and the API server that holds them."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer, StartError, running_api_server
from tests.cluster.plugin import with_crds
from tests.cluster.programs import API_SERVER, BuildError, ensure

from bench.processes import MeasurementError

VERSION = "claude-gateway.dev/v1alpha1"
WRITERS = 32
_PATHS = {
    "GatewayDeployment": f"/apis/{VERSION}/namespaces/{{}}/gatewaydeployments",
    "ProviderBinding": f"/apis/{VERSION}/namespaces/{{}}/providerbindings",
    "GatewayPolicy": f"/apis/{VERSION}/namespaces/{{}}/gatewaypolicies",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Namespace": "/api/v1/namespaces",
}


@dataclass(frozen=True)
class Fleet:
    """`namespaces` times `gateways` gateways, each with one binding, one credential and `policies` policies."""

    namespaces: int
    gateways: int
    policies: int

    def objects(self, of_each: int) -> int:
        """How many there are of what each gateway has so many of."""
        return self.namespaces * self.gateways * of_each

    def namespace_names(self) -> list[str]:
        return [f"team-{number:03}" for number in range(self.namespaces)]

    def gateway_names(self) -> list[str]:
        return [f"gateway-{number}" for number in range(self.gateways)]

    def manifests(self, namespace: str) -> Iterator[dict[str, Any]]:
        """Of one namespace, the namespace itself aside."""
        for gateway in self.gateway_names():
            yield _object("GatewayDeployment", namespace, gateway, publicURL=f"https://{gateway}.{namespace}.example")
            yield _secret(namespace, gateway)
            yield _object(
                "ProviderBinding",
                namespace,
                gateway,
                gatewayRefs=[{"name": gateway}],
                type="Anthropic",
                anthropic={"apiKeySecretRef": {"name": gateway, "key": "api-key"}},
            )
            for number in range(self.policies):
                yield policy(namespace, gateway, number)


def policy(namespace: str, gateway: str, number: int) -> dict[str, Any]:
    """As an organization writes them: one for each team, with settings of its own."""
    return _object(
        "GatewayPolicy",
        namespace,
        f"{gateway}-{number}",
        gatewayRefs=[{"name": gateway}],
        priority=number + 1,
        matches=[{"groups": [f"team-{number}"]}],
        availableModels=["claude-sonnet-5-5", "claude-haiku-5-5"],
        settings={
            "permissions": {
                "deny": ["Bash(curl:*)", "Bash(wget:*)", "Read(./.env)", "Read(./secrets/**)"],
                "ask": ["Bash(git push:*)", "WebFetch"],
            },
            "env": {"TEAM": f"team-{number}", "COST_CENTER": f"{namespace}/{gateway}/{number}"},
        },
    )


def _object(kind: str, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def _secret(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "stringData": {"api-key": "sk-ant-api03-" + "x" * 95},
    }


@contextlib.contextmanager
def api_server() -> Iterator[ApiServer]:
    """With the CRDs and an audit log. Raises MeasurementError where it cannot be built or does not start."""
    try:
        programs = ensure(API_SERVER, report=print)
    except BuildError as error:
        raise MeasurementError(f"the API server could not be built: {error}") from error
    try:
        with running_api_server(etcd=programs["etcd"], kube_apiserver=programs["kube-apiserver"], audit=True) as server:
            with_crds(server.client)
            yield server
    except StartError as error:
        raise MeasurementError(str(error)) from error


def create(server: ApiServer, fleet: Fleet) -> int:
    """Makes all of it; the number of objects."""
    return asyncio.run(_create(server, fleet))


async def _create(server: ApiServer, fleet: Fleet) -> int:
    names = fleet.namespace_names()
    await _post(server, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])
    objects = [manifest for name in names for manifest in fleet.manifests(name)]
    await _post(server, objects)
    return len(objects)


async def _post(server: ApiServer, manifests: Sequence[dict[str, Any]]) -> None:
    waiting = iter(manifests)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:

        async def write() -> None:
            for manifest in waiting:
                path = _PATHS[manifest["kind"]].format(manifest["metadata"].get("namespace", ""))
                async with session.post(path, data=orjson.dumps(manifest), ssl=False) as response:
                    if response.status != 201:
                        raise MeasurementError(f"POST {path}: {response.status}: {await response.text()}")

        await asyncio.gather(*(write() for _ in range(WRITERS)))


def patch(client: ApiClient, manifest: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A merge patch; the object as it then is."""
    answer = client.request(
        "PATCH", client.path_of(manifest), body=change, content_type="application/merge-patch+json"
    ).accepted()
    assert isinstance(answer, dict)
    return answer
