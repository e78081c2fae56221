"""Fixtures of the tests of `gateway_operator.kube`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of, new_name

from gateway_operator.kube.client import KubeClient


@pytest.fixture
async def client(api_server: ApiServer) -> AsyncIterator[KubeClient]:
    async with client_of(api_server) as client:
        yield client


@pytest.fixture
def namespace(api: ApiClient) -> str:
    """A namespace of the test's own."""
    name = new_name("kube")
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).accepted()
    return name
