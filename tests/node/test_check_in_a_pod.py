"""`claude-gateway-proxy --check` in a pod: what its network and its identity reach, and what they do not."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.node.gateways import Gateways, NodeGateway
from tests.node.kubernetes import ADDRESS, COMMAND_SECONDS, Kube, reference
from tests.node.test_command_line import PROGRAM
from tests.standins.token_endpoints.anthropic import AnthropicTokens, FederatedMessages, Rule
from tests.standins.token_endpoints.server import Asked, Reply, TokenServer

ORGANIZATION, RULE, ACCOUNT = "3f6c1c0a-6a3e-4f0e-9f5e-2b6f1f0f9d11", "fdrl_01", "svac_01"
AUDIENCE = "https://api.anthropic.com"
IDENTITY = {"organizationID": ORGANIZATION, "federationRuleID": RULE, "serviceAccountID": ACCOUNT}
MODEL = "claude-sonnet-5-5"
Lines = list[dict[str, Any]]


def checked(gateway: NodeGateway) -> tuple[int, Lines]:
    """The exit status and the findings of the command that `claude-gateway check` and the docs name."""
    command = "claude-gateway-proxy --config /etc/claude-gateway --check"
    exec_ = ["kubectl", "exec", "-n", gateway.namespace, f"deploy/{gateway.name}", "-c", "proxy", "--"]
    done = subprocess.run([*exec_, *command.split()], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert lines[-1]["event"] == "end"
    assert "canary" not in done.stdout + done.stderr
    return done.returncode, lines[:-1]


def calls(lines: Lines, gateway: NodeGateway, binding: str) -> list[tuple[str, str, bool, str]]:
    name = f"{gateway.namespace}/{binding}"
    told = [one for one in lines if one["event"] == "call" and one["upstream"] == name]
    return [(one["model"], one["kind"], one["ok"], one["reason"]) for one in told]


def only_one_model(gateway: NodeGateway) -> Any:
    return gateway.policy("everyone", availableModels=[MODEL])


ANSWERED = [(MODEL, kind, True, "") for kind in ("Stream", "Message", "CountTokens")]


def test_a_binding_that_works_and_one_that_nobody_answers(gateways: Gateways) -> None:
    gateway = gateways(more=[only_one_model])
    status, lines = checked(gateway)
    assert (status, calls(lines, gateway, "anthropic")) == (0, ANSWERED)
    # Nobody listens there, as seen from the pod.
    gateway.apply(away := gateway.binding("away", f"http://{ADDRESS}:9"))
    gateway.wait_programmed(away)
    status, lines = checked(gateway)
    assert status == 1
    assert calls(lines, gateway, "anthropic") == ANSWERED
    assert calls(lines, gateway, "away") == [(MODEL, "Stream", False, "ConnectionRefused")]
    # The same from an admin's machine, as a table with the ways out.
    told = subprocess.run(
        [PROGRAM, "check", "-n", gateway.namespace], capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    assert told.returncode == 1
    assert "1 of 2 bindings answered, 1 failed" in told.stdout
    assert f"nothing listens at {ADDRESS}:9" in told.stdout


class Exchange(AnthropicTokens):
    """Takes what the cluster itself says is a token of the gateway's pods for Anthropic, and nothing else."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        super().__init__({RULE: Rule(ORGANIZATION, ACCOUNT, "none yet")})
        self._kube, self._namespace = kube, namespace

    def answer(self, asked: Asked) -> Reply:
        assertion = asked.json().get("assertion", "")
        user = reviewed(self._kube, assertion, AUDIENCE).get("user", {})
        if RULE in self.rules and user.get("username") == f"system:serviceaccount:{self._namespace}:corp-proxy":
            self.rules[RULE].assertion = assertion
        self.issued = 0  # one token for all: the gateway and each check exchange theirs apart
        return super().answer(asked)


def reviewed(kube: Kube, token: str, *audiences: str) -> dict[str, Any]:
    """What the API server says of a token, for its own audience where none is named."""
    spec = {"token": token} | ({"audiences": list(audiences)} if audiences else {})
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    status: dict[str, Any] = kube.create(review).accepted()["status"]
    return status


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    """api.anthropic.com, through the forward proxy that a gateway names."""
    with TokenServer(host=ADDRESS) as server:
        yield server


def test_the_pods_own_token_is_exchanged_at_anthropic(
    gateways: Gateways, namespace: str, kube: Kube, tokens: TokenServer
) -> None:
    exchange, api = tokens.add(Exchange(kube, namespace)), tokens.add(FederatedMessages())

    def authority(gateway: NodeGateway) -> Any:
        return reference("v1", "ConfigMap", gateway.namespace, "corp-ca") | {"data": {"ca.crt": tokens.ca_pem}}

    def federated(gateway: NodeGateway) -> Any:
        spec = {"type": "Anthropic", "priority": 10, "anthropic": {"workloadIdentity": IDENTITY}}
        return gateway.object("ProviderBinding", "federated", {"gatewayRefs": [{"name": gateway.name}], **spec})

    way_out = {
        "proxyURL": tokens.url,
        "noProxy": [ADDRESS],
        "caRef": {"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"},
    }
    gateway = gateways(namespace=namespace, more=[authority, federated, only_one_model], egress=way_out)
    gateway.wait_programmed(federated(gateway))
    gateway.wait_pods(1)  # the one before has no token
    status, lines = checked(gateway)
    assert (status, calls(lines, gateway, "federated")) == (0, ANSWERED)
    assert gateway.ask().status == 200
    assert api.asked[-1].path == "/v1/messages"
    assertion = exchange.asked[-1].json()["assertion"]
    assert not reviewed(kube, assertion).get("authenticated"), "it opens nothing in the cluster"
    logs = "".join(gateway.pod_logs(pod) for pod in gateway.pods())
    assert assertion not in logs
    assert "canary" not in logs
    assert exchange.problems + api.problems == []

    exchange.rules.clear()
    status, lines = checked(gateway)
    assert (status, calls(lines, gateway, "federated")) == (1, [(MODEL, "Stream", False, "Credential")])
    (told,) = [one["message"] for one in lines if one.get("reason") == "Credential"]
    assert "api.anthropic.com says invalid_grant" in told
