"""What people are told to do about each failure: in the words of their own manifests, and of the right provider."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_operator.checks.facts import Facts
from gateway_operator.checks.results import Call
from gateway_operator.checks.ways_out import rows, way_out

FAILURES = yaml.safe_load((Path(__file__).parent / "failures.yaml").read_text())
MEMBERS: dict[str, dict[str, Any]] = {
    "Anthropic": {"apiKeySecretRef": {"name": "anthropic", "key": "api-key"}},
    "Bedrock": {
        "region": "eu-central-1",
        "accessKeySecretRef": {"name": "aws"},
        "roleARN": "arn:aws:iam::123456789012:role/claude",
        "externalID": "corp",
    },
    "ClaudePlatformAWS": {
        "region": "us-east-1",
        "workspaceID": "wrkspc_01",
        "apiKeySecretRef": {"name": "claude-aws", "key": "api-key"},
    },
    "VertexAI": {
        "projectID": "corp-ml",
        "region": "global",
        "serviceAccountSecretRef": {"name": "vertex"},
        "impersonate": "claude@corp-ml.iam.gserviceaccount.com",
    },
    "Foundry": {
        "resource": "corp-eu",
        "entra": {
            "tenantID": "tenant-1",
            "clientID": "client-1",
            "clientSecretRef": {"name": "entra", "key": "secret"},
        },
    },
}


def facts(kind: str) -> Facts:
    return Facts("claude", "binding", kind, MEMBERS[kind], f"https://{kind.lower()}.example/base")


def told(kind: str, cause: int | str, message: str = "", *, call: str = "Stream") -> str:
    status, reason = (cause, "Status") if isinstance(cause, int) else (0, cause)
    return way_out(
        facts(kind),
        Call(
            model="claude-opus-5-5",
            upstream_model="up.claude-opus-5-5",
            kind=call,
            ok=False,
            status=status,
            reason=reason,
            message=message,
        ),
    )


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: f"{case['type']}-{case['cause']}-{case['holds'][:30]}")
def test_a_failure_has_its_way_out(case: dict[str, Any]) -> None:
    assert case["holds"] in told(case["type"], case["cause"], case.get("message", ""))


def test_a_count_that_is_refused_is_no_reason_to_worry() -> None:
    assert "bedrock:CountTokens" in told("Bedrock", 403, call="CountTokens")
    assert told("VertexAI", 404, call="CountTokens").endswith("and do without")
    assert "nothing listens" in told("VertexAI", "ConnectionRefused", call="CountTokens")


@pytest.mark.parametrize("kind", MEMBERS)
def test_every_row_can_be_filled_in(kind: str) -> None:
    for table, name in (("calls", "Stream"), ("counts", "CountTokens")):
        for row in rows()[table]:
            if kind in row.get("types", (kind,)):
                for cause in row.get("causes", (500,)):
                    text = told(kind, cause, call=name)
                    assert not re.search(r"[{}](?!id:)", text.replace("{id: claude-opus-5-5, upstreamID: …}", ""))


def test_every_status_and_reason_has_one() -> None:
    for kind in MEMBERS:
        for cause in (400, 401, 403, 404, 407, 413, 422, 429, 500, 503, 529, "Credential", "Connect", "Unheard"):
            assert told(kind, cause)
