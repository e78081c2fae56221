"""`claude-gateway check` at the clouds: their own errors, and credentials that only a pod has."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.local import running
from tests.standins import foundry, manifests
from tests.standins.foundry import FoundryStandIn
from tests.standins.requests_seen import Expected, Received
from tests.standins.token_endpoints.entra import Application, Entra
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.upstream import Script, StandInUpstream

SONNET, OPUS = "claude-sonnet-5-5", "claude-opus-5-5"
CANARIES = (foundry.API_KEY, "secret-canary", "token-canary")


def check(directory: Path, *arguments: str, code: int) -> dict[str, Any]:
    """What `-o json` says of the one binding."""
    result = running.run("check", directory, "-o", "json", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    assert not [canary for canary in CANARIES if canary in result.stdout + result.stderr]
    (binding,) = json.loads(result.stdout)["bindings"]
    assert isinstance(binding, dict)
    return binding


def write(directory: Path, *documents: dict[str, Any], gateway: Iterable[dict[str, Any]] = ()) -> Path:
    policy = manifests.policy("everyone", availableModels=[SONNET, OPUS])
    whole = [*(gateway or [manifests.deployment()]), policy, *documents]
    return running.write(directory, {"all.yaml": yaml.safe_dump_all(whole)})


def calls(binding: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(call["model"], call["kind"], call["ok"]) for call in binding["calls"]]


ALL = [
    (SONNET, "Stream", True),
    (SONNET, "Message", True),
    (SONNET, "CountTokens", True),
    (OPUS, "Stream", True),
    (OPUS, "CountTokens", True),
]


@pytest.fixture
def foundry_resource() -> Iterator[FoundryStandIn]:
    with FoundryStandIn() as upstream:
        yield upstream


def foundry_manifests(upstream: FoundryStandIn) -> list[dict[str, Any]]:
    member = {"baseURL": upstream.base_url, "apiKeySecretRef": {"name": "foundry", "key": "value"}}
    return [
        manifests.cloud_binding("foundry", "Foundry", foundry=member),
        manifests.secret("foundry", foundry.API_KEY),
    ]


def test_foundry(foundry_resource: FoundryStandIn, tmp_path: Path) -> None:
    binding = check(write(tmp_path, *foundry_manifests(foundry_resource)), code=0)
    assert calls(binding) == ALL
    assert foundry_resource.problems == []


def refuse(upstream: StandInUpstream, answer: bytes) -> None:
    def respond(request: Received) -> Script:
        return [answer]

    upstream.respond = respond


@pytest.mark.parametrize(
    ("status", "code", "message", "state", "way_out"),
    [
        (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", "ok", f"deploy {SONNET}"),
        (401, "PermissionDenied", "The principal lacks the required data action.", "denied", "Cognitive Services User"),
        (401, "401", f"Invalid subscription key {foundry.API_KEY}.", "denied", "take key 1 or 2 of"),
        (403, "403", "Public access is disabled.", "denied", "private endpoint"),
    ],
)
def test_what_foundry_says(
    foundry_resource: FoundryStandIn, tmp_path: Path, status: int, code: str, message: str, state: str, way_out: str
) -> None:
    refuse(foundry_resource, foundry.error_answer(status, code, message))
    binding = check(write(tmp_path, *foundry_manifests(foundry_resource)), code=1)
    call = binding["calls"][0]
    assert (call["status"], call["code"]) == (status, code)
    assert way_out in call["wayOut"]
    assert binding["credential"] == {"field": "apiKeySecretRef", "state": state}


ENTRA_SECRET = "entra-client-secret-canary"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def entra(tokens: TokenServer) -> Entra:
    return tokens.add(Entra("tenant-1", {"client-1": Application(secret=ENTRA_SECRET)}))


def through(tokens: TokenServer) -> list[dict[str, Any]]:
    """A gateway whose way out leads to the token endpoints, and directly to upstreams on this machine."""
    egress = {
        "proxyURL": tokens.url,
        "noProxy": ["127.0.0.1"],
        "allowLoopback": True,
        "caRef": {"kind": "ConfigMap", "name": "ca", "key": "ca.crt"},
    }
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "ca", "namespace": manifests.NAMESPACE},
        "data": {"ca.crt": tokens.ca_pem},
    }
    return [manifests.deployment(egress=egress), config_map]


def entra_binding(upstream: FoundryStandIn, **changed: str) -> dict[str, Any]:
    client = {"tenantID": "tenant-1", "clientID": "client-1", "clientSecretRef": {"name": "entra", "key": "value"}}
    member = {"baseURL": upstream.base_url, "entra": client | changed}
    return manifests.cloud_binding("foundry", "Foundry", foundry=member)


def test_a_token_of_entra(foundry_resource: FoundryStandIn, tokens: TokenServer, entra: Entra, tmp_path: Path) -> None:
    foundry_resource.expected = [Expected("authorization", "Bearer entra-token-canary-1")]
    secret = manifests.secret("entra", ENTRA_SECRET)
    directory = write(tmp_path, entra_binding(foundry_resource), secret, gateway=through(tokens))
    assert calls(check(directory, code=0)) == ALL
    assert foundry_resource.problems == []
    assert len(entra.exchanges) == 1


@pytest.mark.parametrize(
    ("changed", "secret", "says", "way_out"),
    [
        ({}, "another", "AADSTS7000215", "write the secret's value into the Secret, not the secret's id"),
        (
            {"clientID": "client-2"},
            ENTRA_SECRET,
            "AADSTS700016",
            "application spec.foundry.entra.clientID (client-2)",
        ),
        ({"tenantID": "tenant-2"}, ENTRA_SECRET, "AADSTS90002", "no tenant spec.foundry.entra.tenantID (tenant-2)"),
    ],
)
def test_what_entra_refuses(
    foundry_resource: FoundryStandIn,
    tokens: TokenServer,
    entra: Entra,
    tmp_path: Path,
    changed: dict[str, str],
    secret: str,
    says: str,
    way_out: str,
) -> None:
    bound = entra_binding(foundry_resource, **changed)
    directory = write(tmp_path, bound, manifests.secret("entra", secret), gateway=through(tokens))
    binding = check(directory, code=1)
    assert binding["credential"] == {"field": "entra", "state": "not fetched"}
    (call,) = binding["calls"]
    assert call["reason"] == "Credential"
    assert says in call["message"]
    assert way_out in call["wayOut"]
    assert binding["modelsNotTried"] == [OPUS]
    assert foundry_resource.requests == []


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
