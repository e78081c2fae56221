"""A client that is closed leaves no connection behind, whenever its requests were given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of

from gateway_operator.kube.resources import CONFIG_MAPS

_STEPS = 60
"""Turns of the loop in which a request is cancelled: from before its connection to after its answer."""


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_a_request_cancelled_at_any_step_leaves_no_connection(api_server: ApiServer) -> None:
    async with client_of(api_server) as client:  # what the first use of anything opens for good
        await client.get(CONFIG_MAPS, "default", "kube-root-ca.crt")
    before = _open_descriptors()
    for step in range(_STEPS):
        async with client_of(api_server) as client:
            request = asyncio.create_task(client.get(CONFIG_MAPS, "default", "kube-root-ca.crt"))
            for _ in range(step):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.wait({request})
        assert _open_descriptors() == before, f"cancelled at step {step}"
