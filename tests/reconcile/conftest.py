"""Fixtures of the tests of `gateway_operator.reconcile`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of
from tests.reconcile import world

from gateway_operator.kube.client import KubeClient


@pytest.fixture
async def client(api_server: ApiServer) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


@pytest.fixture
def namespace(api: ApiClient) -> str:
    """A namespace of the test's own."""
    return world.new_namespace(api)


@pytest.fixture
def smallest(api: ApiClient, namespace: str) -> str:
    """A namespace with the smallest gateway in it: corp, one binding, one policy."""
    for item in (
        world.secret(namespace),
        world.gateway(namespace),
        world.binding(namespace),
        world.policy(namespace),
    ):
        api.create(item).accepted()
    return namespace


@pytest.fixture
def operator(client: KubeClient) -> world.Operator:
    return world.Operator(client)
