"""`claude-gateway` against the cluster of the current kubeconfig, as an admin runs it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import COMMAND_SECONDS, CommandFailedError, eventually, run
from tests.standins.anthropic_upstream import API_KEY
from tests.standins.gateway import ALICE

PROGRAM = str(Path(__file__).parents[2] / ".venv" / "bin" / "claude-gateway")


@pytest.fixture
def gateway(gateways: Gateways) -> NodeGateway:
    contractors = {"matches": [{"groups": ["contractors"]}], "availableModels": ["claude-haiku-5-5"]}
    return gateways(replicas=2, more=[lambda it: it.policy("contractors", **contractors)])


def whatever_its_end(*command: str) -> str:
    """What a command printed that looks into every namespace: gateways of other tests may be on their way."""
    return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS).stdout


def test_a_gateway_at_a_glance(gateway: NodeGateway) -> None:
    gateway.wait_pods(2)
    seen: Any = json.loads(run(PROGRAM, "status", "-n", gateway.namespace, "-o", "json"))
    (one,) = seen["gateways"]
    assert one["ready"] is True
    assert (one["namespace"], one["name"]) == (gateway.namespace, "corp")
    assert {pod["revision"] for pod in one["pods"]} == {gateway.status()["revision"]}, "asked through the API server"
    assert [pod["open_streams"] for pod in one["pods"]] == [0, 0]
    text = run(PROGRAM, "status", "corp", "-n", gateway.namespace)
    assert f"{gateway.namespace}/corp  Ready" in text
    assert "2/2 pods ready, 2 programmed" in text
    assert "note:" not in text


def test_status_of_a_gateway_that_is_not_ready_ends_with_1(gateways: Gateways) -> None:
    gateway = gateways(ready=False, image="localhost/claude-gateway-proxy:never-built")
    eventually(
        lambda: "ErrImageNeverPull" in gateway.condition("GatewayDeployment", gateway.name, "Ready").get("message", ""),
        within=20,
        what="the condition tells of the image",
    )
    with pytest.raises(CommandFailedError, match=r"ended with 1:(?s:.*)Not ready(?s:.*)ErrImageNeverPull"):
        run(PROGRAM, "status", "-n", gateway.namespace)


def test_a_live_cluster_is_linted_explained_and_rendered(gateway: NodeGateway) -> None:
    assert "nothing to remark" in run(PROGRAM, "lint", "-n", gateway.namespace)
    everywhere = json.loads(whatever_its_end(PROGRAM, "lint", "-A", "-o", "json"))
    assert [one for one in everywhere["findings"] if gateway.namespace in json.dumps(one)] == []
    explained = run(PROGRAM, "explain", "-n", gateway.namespace, "--user", ALICE, "--group", "contractors")
    assert "contractors" in explained
    assert "claude-haiku-5-5" in explained
    rendered = run(PROGRAM, "render", "-n", gateway.namespace)
    assert API_KEY not in rendered
    assert f"# {gateway.namespace}/corp: " in whatever_its_end(PROGRAM, "render", "-A")
    configuration, *children = yaml.safe_load_all(rendered)
    assert [policy["name"] for policy in configuration["policies"]] == [f"{gateway.namespace}/contractors"]
    assert {"Deployment", "Service", "Secret"} <= {child["kind"] for child in children}
