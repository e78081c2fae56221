"""What the probes say of a process that starts, works, waits, and has lost a part of itself."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway_operator.health import Health, serve
from gateway_operator.local.addresses import Address


@pytest.fixture
async def served() -> AsyncIterator[tuple[Health, str]]:
    health = Health()
    runner, port = await serve(health, listen=Address("127.0.0.1", 0))
    yield health, f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def asked(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_alive_from_the_start_and_ready_once_nothing_is_waited_for(served: tuple[Health, str]) -> None:
    health, url = served
    assert (await asked(f"{url}/livez"))[0] == 200
    assert (await asked(f"{url}/readyz"))[0] == 503
    health.reach("start")
    assert (await asked(f"{url}/readyz")) == (200, "ok\n")


async def test_readiness_says_what_it_waits_for(served: tuple[Health, str]) -> None:
    health, url = served
    health.reach("start")
    health.await_stage("crds", "gatewaypolicies.claude-gateway.dev is not installed")
    status, text = await asked(f"{url}/readyz")
    assert status == 503
    assert "gatewaypolicies.claude-gateway.dev is not installed" in text
    assert (await asked(f"{url}/livez"))[0] == 200


async def test_not_alive_once_a_vital_task_has_ended(served: tuple[Health, str]) -> None:
    health, url = served

    async def fail() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(fail())
    health.watch_task("lease", task)
    await asyncio.wait({task})
    status, text = await asked(f"{url}/livez")
    assert status == 503
    assert "lease: ended with ValueError: broken" in text
    assert (await asked(f"{url}/readyz"))[0] == 503


async def test_metrics_are_in_prometheus_form(served: tuple[Health, str]) -> None:
    _, url = served
    status, text = await asked(f"{url}/metrics")
    assert status == 200
    assert "claude_gateway_operator_leading" in text
    assert "process_resident_memory_bytes" in text


async def test_an_address_in_use_is_an_error(served: tuple[Health, str]) -> None:
    port = int(served[1].rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await serve(Health(), listen=Address("127.0.0.1", port))
