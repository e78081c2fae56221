"""`claude-gateway check` at Vertex AI: its own errors, and those of Google's token endpoints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.checking import ALL, OPUS, SONNET, calls, check, refuse, through, write
from tests.standins import manifests
from tests.standins.identity_provider import private_key
from tests.standins.token_endpoints.google import Impersonation, OAuth, Project
from tests.standins.token_endpoints.server import TokenServer
from tests.standins.vertex_ai import REGION, VertexAIStandIn, error_answer

EMAIL = "claude@corp-ml.iam.gserviceaccount.com"
TARGET = "other@corp-ml.iam.gserviceaccount.com"
KEY = private_key("google")
SHOWN_PROJECT = "corp-ml"
"""The stand-in's own name is a canary, which answers to clients must not tell; administrators may be told theirs."""


@pytest.fixture
def vertex() -> Iterator[VertexAIStandIn]:
    with VertexAIStandIn() as upstream:
        upstream.project = SHOWN_PROJECT
        yield upstream


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as server:
        yield server


@pytest.fixture
def project(tokens: TokenServer, vertex: VertexAIStandIn) -> Project:
    found = Project(keys={EMAIL: KEY})  # type: ignore[dict-item]
    vertex.tokens = found.tokens
    tokens.add(OAuth(found))
    tokens.add(Impersonation(found))
    return found


def directory(tmp_path: Path, vertex: VertexAIStandIn, tokens: TokenServer, **member: Any) -> Path:
    pem = KEY.as_pem(private=True).decode()
    key = {"type": "service_account", "client_email": EMAIL, "private_key": pem, "private_key_id": "canary-id"}
    member = {
        "projectID": SHOWN_PROJECT,
        "region": REGION,
        "baseURL": vertex.base_url,
        "serviceAccountSecretRef": {"name": "vertex"},
        **member,
    }
    bound = manifests.cloud_binding("vertex", "VertexAI", vertexAI=member)
    secret = manifests.secret("vertex", json.dumps(key), key="key.json")
    return write(tmp_path, bound, secret, gateway=through(tokens))


def test_all_is_well(vertex: VertexAIStandIn, tokens: TokenServer, project: Project, tmp_path: Path) -> None:
    binding = check(directory(tmp_path, vertex, tokens), code=0)
    assert calls(binding) == ALL
    assert vertex.problems == []
    assert len(project.tokens) == 1


@pytest.mark.parametrize(
    ("status", "state", "message", "way_out"),
    [
        (403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied.", "roles/aiplatform.user"),
        (403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 1.", "gcloud services enable"),
        (404, "NOT_FOUND", "Publisher Model was not found.", f"enable {SONNET} in Model Garden"),
        (429, "RESOURCE_EXHAUSTED", "Quota exceeded.", "quota for this model in spec.vertexAI.region (europe-west1)"),
    ],
)
def test_what_google_says(
    vertex: VertexAIStandIn,
    tokens: TokenServer,
    project: Project,
    tmp_path: Path,
    status: int,
    state: str,
    message: str,
    way_out: str,
) -> None:
    refuse(vertex, error_answer(status, state, message, array=True))
    call = check(directory(tmp_path, vertex, tokens), code=1)["calls"][0]
    assert (call["status"], call["code"], call["message"]) == (status, state, message)
    assert way_out in call["wayOut"]


def test_a_key_that_was_deleted(vertex: VertexAIStandIn, tokens: TokenServer, project: Project, tmp_path: Path) -> None:
    project.keys.clear()
    binding = check(directory(tmp_path, vertex, tokens), code=1)
    (call,) = binding["calls"]
    assert call["reason"] == "Credential"
    assert "invalid_grant" in call["message"]
    assert "spec.vertexAI.serviceAccountSecretRef (Secret claude/vertex) was deleted or disabled" in call["wayOut"]
    assert binding["modelsNotTried"] == [OPUS]


def test_an_impersonation_that_is_not_allowed(
    vertex: VertexAIStandIn, tokens: TokenServer, project: Project, tmp_path: Path
) -> None:
    binding = check(directory(tmp_path, vertex, tokens, impersonate=TARGET), code=1)
    call = binding["calls"][0]
    assert call["reason"] == "Credential"
    assert (
        f"roles/iam.serviceAccountTokenCreator on the service account of spec.vertexAI.impersonate ({TARGET})"
        in (call["wayOut"])
    )
    project.impersonators[TARGET] = {EMAIL}
    assert calls(check(directory(tmp_path, vertex, tokens, impersonate=TARGET), code=0)) == ALL
