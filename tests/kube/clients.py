"""Clients of the operator's own kind, for tests; also behind a proxy or with a made-up server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from tests.cluster.api_server import ApiServer

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Connection, FixedAccess, tls_context
from gateway_operator.kube.resources import ResourceKind

Result = TypeVar("Result")


def client_of(server: ApiServer, *, url: str | None = None, **settings: float) -> KubeClient:
    """A member of system:masters; `url` leads to the same server by another way."""
    return KubeClient(
        FixedAccess(
            fixed=Connection(
                server=url or server.url,
                authorization=f"Bearer {server.token}",
                tls=tls_context(ca_file=server.certificate, insecure=False),
            )
        ),
        **settings,
    )


def client_at(url: str, **settings: float) -> KubeClient:
    """Of a server that asks for no credentials."""
    return KubeClient(FixedAccess(fixed=Connection(server=url)), **settings)


def new_name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def secret(namespace: str, name: str, *, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "stringData": data,
    }


def lamps(group: str) -> tuple[ResourceKind, dict[str, Any]]:
    """A kind of the test's own, and the CRD that makes the API server serve it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"lamps.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    return ResourceKind(group, "v1", "lamps", "Lamp"), crd


async def eventually(look: Callable[[], Result], *, within: float = 20.0, what: str) -> Result:
    """The first true result of `look`. Raises `TimeoutError`, naming `what`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    while not (result := look()):
        if loop.time() >= until:
            raise TimeoutError(f"{what}: not within {within:g} s; last seen: {result!r}")
        await asyncio.sleep(0.02)
    return result
