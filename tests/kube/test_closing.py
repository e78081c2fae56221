"""A client that is closed leaves no connection behind, whenever its requests were given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.api_server import ApiServer
from tests.kube.clients import client_of

from gateway_operator.kube.access import kopf_login
from gateway_operator.kube.resources import CONFIG_MAPS

_STEPS = 60
"""Turns of the loop in which a request is cancelled: from before its connection to after its answer."""


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


Ask = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def our_client(api_server: ApiServer) -> AsyncIterator[Ask]:
    async with client_of(api_server) as client:
        yield lambda: client.get(CONFIG_MAPS, "default", "kube-root-ca.crt")


@asynccontextmanager
async def kopfs_session(api_server: ApiServer) -> AsyncIterator[Ask]:
    """As kopf uses and ends what it logged in with."""
    login = await kopf_login(client_of(api_server).access)()

    async def ask() -> None:
        async with login.aiohttp_session.get(f"{login.server}/api/v1/namespaces/default") as response:
            await response.read()

    try:
        yield ask
    finally:
        await login.aiohttp_session.close()


@pytest.mark.parametrize("session", [our_client, kopfs_session])
async def test_a_request_cancelled_at_any_step_leaves_no_connection(
    api_server: ApiServer, session: Callable[[ApiServer], AbstractAsyncContextManager[Ask]]
) -> None:
    async with session(api_server) as ask:  # what the first use of anything opens for good
        await ask()
    before = _open_descriptors()
    for step in range(_STEPS):
        async with session(api_server) as ask:
            request = asyncio.ensure_future(ask())
            for _ in range(step):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.wait({request})
        assert _open_descriptors() == before, f"cancelled at step {step}"
