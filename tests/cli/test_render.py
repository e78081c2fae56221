"""`claude-gateway render`: the compiled configuration, and the Secrets that carry it, masked."""

import json
from pathlib import Path

import yaml
from tests.local import running
from tests.local.running import GATEWAY, SECRET, SMALLEST, write

CANARY = "sk-ant-canary-7f3a"


def test_the_configuration_and_its_secrets(tmp_path: Path) -> None:
    manifests = write(tmp_path, SMALLEST | {"secret.yaml": SECRET})
    result = running.run("render", manifests)
    assert result.returncode == 0, result.stderr
    configuration, config, credentials = yaml.safe_load_all(result.stdout)
    assert configuration["base"]["models"] == ["claude-haiku-5-5", "claude-sonnet-5-5"]
    assert config["metadata"]["name"] == "corp-config"
    assert credentials["metadata"]["name"] == "corp-credentials"
    assert credentials["stringData"]["credentials.json"].startswith("(masked, ")
    assert CANARY not in result.stdout + result.stderr


def test_json_of_several_gateways(tmp_path: Path) -> None:
    second = GATEWAY.replace("corp,", "second,")
    manifests = write(tmp_path, SMALLEST | {"secret.yaml": SECRET, "second.yaml": second})
    document = json.loads(running.run("render", manifests, "-o", "json").stdout)
    assert [part["gateway"] for part in document["gateways"]] == ["claude/corp", "claude/second"]
    one = json.loads(running.run("render", manifests, "--gateway", "second", "-o", "json").stdout)
    assert [part["gateway"] for part in one["gateways"]] == ["claude/second"]


def test_a_secret_that_is_elsewhere_is_taken_as_there(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, SMALLEST))
    assert result.returncode == 0
    assert result.stderr.startswith(f"warning: {tmp_path}/binding.yaml:8: spec.anthropic.apiKeySecretRef")
    assert "claude/anthropic" in next(yaml.safe_load_all(result.stdout))["upstreams"][0]["name"]


def test_a_gateway_that_cannot_be_compiled(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, SMALLEST | {"gateway.yaml": GATEWAY + "  nonsense: 1\n"}))
    assert result.returncode == 1
    assert result.stdout == ""
    assert f'{tmp_path}/gateway.yaml:6: spec.nonsense: unknown field "spec.nonsense"' in result.stderr


def test_what_cannot_be_read(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, {"a.yaml": "{"}))
    assert result.returncode == 2
    assert len(running.lines_of(result.stderr)) == 1
