"""`claude-gateway models`: what each binding serves, and by which ids."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.local import running
from tests.local.running import BINDING, GATEWAY, POLICY, SECRET, SMALLEST, write

BEDROCK = """apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {name: bedrock-eu, namespace: claude}
spec:
  gatewayRefs: [{name: corp}]
  priority: 100
  type: Bedrock
  bedrock: {region: eu-central-1, podIdentity: {}}
  onlyListedModels: true
  models:
    - {id: claude-opus-5-5}
    - {id: claude-haiku-4-5, upstreamID: "arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc"}
    - {id: claude-sonnet-4-0}
    - {id: claude-internal-1, upstreamID: internal.one}
"""
CUSTOM = GATEWAY + "  models: {custom: [{id: claude-internal-1, displayName: Internal 1, maxInputTokens: 123456}]}\n"
TEAM = """apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {name: team, namespace: claude}
spec:
  gatewayRefs: [{name: corp}]
  priority: 5
  matches: [{groups: [team]}]
  availableModels: [claude-opus-5-5, claude-internal-1]
  providers: [{name: bedrock-eu}]
---
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {name: nobody, namespace: claude}
spec:
  gatewayRefs: [{name: corp}]
  priority: 4
  matches: [{groups: [nobody]}]
  access: Deny
"""
EVERYONE = POLICY.replace("availableModels: [", "availableModels: [claude-opus-5-5, ")
FILES = SMALLEST | {
    "gateway.yaml": CUSTOM,
    "secret.yaml": SECRET,
    "bedrock.yaml": BEDROCK,
    "team.yaml": TEAM,
    "policy.yaml": EVERYONE,
}


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "m", FILES)


def document(*arguments: str | Path) -> Any:
    result = running.run("models", *arguments, "-o", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_each_binding_with_its_models_for_scripts(manifests: Path) -> None:
    found = document(manifests)
    assert (found["gateway"], found["leftOut"], found["notServed"]) == ("claude/corp", [], [])
    bedrock, anthropic = found["bindings"]
    assert {name: bedrock[name] for name in ("name", "type", "region", "priority")} == {
        "name": "claude/bedrock-eu",
        "type": "Bedrock",
        "region": "eu-central-1",
        "priority": 100,
    }
    assert {model["id"]: model["upstreamID"] for model in bedrock["models"]} == {
        "claude-haiku-4-5-20251001": "arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc",
        "claude-opus-5-5": "eu.anthropic.claude-opus-5-5",
        "claude-sonnet-4-20250514": "eu.anthropic.claude-sonnet-4-20250514-v1:0",
        "claude-internal-1": "internal.one",
    }
    models = {model["id"]: model for model in bedrock["models"]}
    assert models["claude-opus-5-5"] == {
        "id": "claude-opus-5-5",
        "upstreamID": "eu.anthropic.claude-opus-5-5",
        "displayName": "Claude Opus 5.5",
        "maxInputTokens": 1_000_000,
        "listed": True,
        "policies": ["claude/team", "base"],
    }
    assert models["claude-sonnet-4-20250514"]["listed"] is False
    assert models["claude-sonnet-4-20250514"]["policies"] == []
    assert models["claude-internal-1"]["policies"] == ["claude/team"]
    assert (anthropic["name"], anthropic["region"]) == ("claude/anthropic", None)
    assert {model["id"]: model["policies"] for model in anthropic["models"]}["claude-opus-5-5"] == ["base"]


def test_a_table_for_people(manifests: Path) -> None:
    result = running.run("models", manifests)
    assert result.returncode == 0
    assert result.stderr == ""
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[0] == "claude/bedrock-eu  Bedrock eu-central-1, priority 100, 4 models"
    assert lines[1].split() == ["MODEL", "UPSTREAM", "ID", "NAME", "CONTEXT", "LISTED", "POLICIES"]
    (opus, *_) = [line for line in lines if line.startswith("  claude-opus-5-5 ")]
    assert opus.endswith("1M       yes     claude/team, base")
    assert any(line.startswith("  claude-internal-1 ") and "123456" in line for line in lines)
    assert any(line.startswith("  claude-sonnet-4-20250514 ") and line.endswith("no      none") for line in lines)


def test_what_is_left_out_and_what_nothing_serves(tmp_path: Path) -> None:
    broken = BINDING.replace("name: anthropic, namespace", "name: broken, namespace").replace("api-key}", "absent}")
    manifests = write(tmp_path, FILES | {"binding.yaml": broken})
    result = running.run("models", manifests)
    assert result.returncode == 0
    assert "left out: claude/broken: Secret claude/anthropic has no key absent" in result.stdout
    assert "not served: claude-opus-4-6, " in result.stdout
    found = document(manifests)
    assert [each["name"] for each in found["leftOut"]] == ["claude/broken"]
    assert "claude-fable-5" in found["notServed"]


def test_a_gateway_that_cannot_be_compiled_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert running.run("models", write(tmp_path / "a", {"gateway.yaml": GATEWAY + "  x: 1\n"})).returncode == 1
    assert running.run("models", write(tmp_path / "b", {"a.yaml": "{"})).returncode == 2
    assert running.run("models").returncode == 2
