"""`claude-gateway check` of credentials that only a pod has."""

from pathlib import Path

import pytest
from tests.cli.checking import check, through, write
from tests.local import running
from tests.standins import manifests
from tests.standins.token_endpoints.anthropic import AnthropicTokens, Rule
from tests.standins.token_endpoints.server import TokenServer

PODS_ALONE = {
    "Bedrock": {"region": "eu-central-1", "podIdentity": {}},
    "ClaudePlatformAWS": {"region": "us-east-1", "workspaceID": "wrkspc_01", "podIdentity": {}},
    "VertexAI": {"projectID": "corp-ml", "region": "global", "podIdentity": {}},
    "Foundry": {"resource": "corp-eu", "podIdentity": {}},
    "Anthropic": {
        "workloadIdentity": {
            "organizationID": "3f6c1c0a-6a3e-4f0e-9f5e-2b6f1f0f9d11",
            "federationRuleID": "fdrl_01",
            "serviceAccountID": "svac_01",
        }
    },
}


@pytest.mark.parametrize("provider", PODS_ALONE)
def test_the_identity_of_a_pod_is_checked_in_one(provider: str, tmp_path: Path) -> None:
    member = provider[:1].lower() + provider[1:]
    directory = write(tmp_path, manifests.cloud_binding("cloud", provider, **{member: PODS_ALONE[provider]}))
    binding = check(directory, code=1)
    assert binding["failed"] is False, "it cannot be told from here"
    assert binding["calls"] == []
    assert "the identity is the pod's" in binding["problem"]["message"]
    command = "kubectl exec -n claude deploy/corp -c proxy -- claude-gateway-proxy --config /etc/claude-gateway --check"
    assert command in binding["problem"]["wayOut"]
    told = running.run("check", directory)
    assert "0 of 1 binding answered, 1 not tried" in told.stdout


def test_it_is_tried_where_somebody_says_that_it_is_here(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJSUzI1NiJ9.pod-token-canary.c2ln")
    rule = Rule("another", "svac_01", "another")
    with TokenServer() as tokens:
        exchange = tokens.add(AnthropicTokens({"fdrl_01": rule}))
        bound = manifests.cloud_binding("anthropic", "Anthropic", anthropic=PODS_ALONE["Anthropic"])
        directory = write(tmp_path / "manifests", bound, gateway=through(tokens))
        binding = check(directory, "--pod-identity", code=1, ANTHROPIC_IDENTITY_TOKEN_FILE=str(token))
        assert len(exchange.asked) >= 1
    call = binding["calls"][0]
    assert call["reason"] == "Credential"
    assert "api.anthropic.com says invalid_grant" in call["message"]
    assert "compare organizationID, federationRuleID and serviceAccountID" in call["wayOut"]
