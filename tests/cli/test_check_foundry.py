"""`claude-gateway check` at Microsoft Foundry: its own errors, and those of Microsoft Entra."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.checking import ALL, OPUS, SONNET, calls, check, refuse, through, write
from tests.standins import foundry, manifests
from tests.standins.foundry import FoundryStandIn
from tests.standins.requests_seen import Expected
from tests.standins.token_endpoints.entra import Application, Entra
from tests.standins.token_endpoints.server import TokenServer


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
