"""Fixtures of the tests of statuses on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.control_plane.pods import Kubelet, kubelet
from tests.status.rig import Reporting, reporting


@pytest.fixture
def node(api_server: ApiServer, api: ApiClient, tmp_path: Path) -> Iterator[Kubelet]:
    with kubelet(api_server, folder=tmp_path) as running:
        yield running


@pytest.fixture
async def rig(api_server: ApiServer, api: ApiClient) -> AsyncIterator[Reporting]:
    async with reporting(api_server) as running:
        yield running
