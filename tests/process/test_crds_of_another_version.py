"""Missing or older CRDs: readiness and the log say which, and the process ends with a code of its own."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.cluster.api_client import ApiClient
from tests.cluster.api_server import ApiServer
from tests.control_plane.operator_process import OperatorProcess

from gateway_operator import installed
from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.connection import Connection, FixedAccess

OPENAPI = "/openapi/v3/apis/claude-gateway.dev/v1alpha1"
MISSING = 3


async def serving(document: Any) -> tuple[web.AppRunner, str]:
    """An API server that has this OpenAPI document, or none, and nothing else."""

    async def answer(_: web.Request) -> web.Response:
        if document is None:
            status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            return web.json_response(status, status=404)
        return web.json_response(document)

    app = web.Application()
    app.router.add_get(OPENAPI, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def problems_with(document: Any) -> list[str]:
    runner, url = await serving(document)
    try:
        async with KubeClient(FixedAccess(fixed=Connection(server=url))) as client:
            return await installed.problems(client)
    finally:
        await runner.cleanup()


@pytest.fixture
def document(api: ApiClient) -> Any:
    """What the real API server says of the CRDs as they are."""
    return api.get(OPENAPI)


def of(document: Any, kind: str) -> Any:
    return document["components"]["schemas"][f"dev.claude-gateway.v1alpha1.{kind}"]


async def test_the_crds_of_this_version_fit(document: Any) -> None:
    assert await problems_with(document) == []


async def test_a_newer_one_fits(document: Any) -> None:
    newer = copy.deepcopy(document)
    of(newer, "GatewayPolicy")["properties"]["spec"]["properties"]["invented"] = {"type": "string"}
    assert await problems_with(newer) == []


async def test_an_older_one_is_named_with_what_it_lacks(document: Any) -> None:
    older = copy.deepcopy(document)
    spec = of(older, "GatewayDeployment")["properties"]["spec"]["properties"]
    del spec["identity"]["properties"]["oidc"]["items"]["properties"]["issuer"]
    (problem,) = await problems_with(older)
    assert "gatewaydeployments.claude-gateway.dev" in problem
    assert "spec.identity.oidc[].issuer" in problem


async def test_one_that_is_missing_is_named_with_the_way_out(document: Any) -> None:
    fewer = copy.deepcopy(document)
    del fewer["components"]["schemas"]["dev.claude-gateway.v1alpha1.ProviderBinding"]
    (problem,) = await problems_with(fewer)
    assert "providerbindings.claude-gateway.dev" in problem
    assert "crds/" in problem
    assert len(await problems_with(None)) == 3


async def test_the_process_says_so_and_ends(tmp_path: Path, api_server: ApiServer) -> None:
    runner, url = await serving(None)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server.kubeconfig.read_text().replace(api_server.url, url))
    kubeconfig.chmod(0o600)
    operator = OperatorProcess(
        kubeconfig=kubeconfig,
        folder=tmp_path,
        lease_namespace="nowhere",
        identity="pod",
        options={"crd-wait-seconds": 0},
    )
    operator.start()
    try:
        assert await asyncio.to_thread(operator.wait_for_exit) == MISSING
        assert "gatewaypolicies.claude-gateway.dev" in operator.log[-1]["message"]
    finally:
        operator.kill()
        await runner.cleanup()
