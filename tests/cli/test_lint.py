"""`claude-gateway lint`: findings with places, and exit codes for pipelines."""

import json
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import POLICY, SECRET, SMALLEST, write


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "m", SMALLEST | {"secret.yaml": SECRET})


def test_clean_manifests(manifests: Path) -> None:
    result = running.run("lint", manifests, "--strict")
    assert result.returncode == 0
    assert result.stdout == "4 objects, nothing to remark\n"
    assert result.stderr == ""


def test_a_warning(manifests: Path) -> None:
    write(manifests, {"policy.yaml": POLICY + "  rateLimits: {requestsPerMinute: 60}\n"})
    result = running.run("lint", manifests)
    assert result.returncode == 0
    assert f"warning: {manifests}/policy.yaml:7: spec.rateLimits: " in result.stdout
    assert "(NotImplemented)" in result.stdout
    assert running.run("lint", manifests, "--strict").returncode == 1


def test_a_secret_that_is_elsewhere_is_a_warning(manifests: Path) -> None:
    (manifests / "secret.yaml").unlink()
    result = running.run("lint", manifests)
    assert result.returncode == 0
    assert "Secret claude/anthropic does not exist in these files; it has to be in the cluster" in result.stdout


def test_an_error(manifests: Path) -> None:
    write(manifests, {"policy.yaml": POLICY.replace("name: corp", "name: absent")})
    result = running.run("lint", manifests)
    assert result.returncode == 1
    assert (
        f"error: {manifests}/policy.yaml:5: spec.gatewayRefs[0]: GatewayDeployment claude/absent does not exist "
        "(GatewayNotFound)" in result.stdout
    )


def test_a_secret_without_the_key(manifests: Path) -> None:
    write(manifests, {"secret.yaml": SECRET.replace("api-key", "other")})
    result = running.run("lint", manifests)
    assert result.returncode == 1
    assert "(SecretKeyNotFound)" in result.stdout
    assert "sk-ant-canary" not in result.stdout + result.stderr


def test_unreadable(manifests: Path) -> None:
    write(manifests, {"bad.yaml": "a: b: c\n", "policy.yaml": POLICY + "  unknown: 1\n"})
    result = running.run("lint", manifests)
    assert result.returncode == 2
    assert f"{manifests}/bad.yaml:1: not YAML" in result.stdout
    assert f"{manifests}/policy.yaml:7: spec.unknown: unknown field" in result.stdout
    assert running.run("lint", manifests / "absent").returncode == 2


def test_several_directories_are_one_cluster(manifests: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (manifests / "gateway.yaml").rename(other / "gateway.yaml")
    assert running.run("lint", manifests).returncode == 1
    assert running.run("lint", manifests, other).returncode == 0


def test_json(manifests: Path) -> None:
    write(manifests, {"policy.yaml": POLICY.replace("name: corp", "name: absent")})
    result = running.run("lint", manifests, "-o", "json")
    assert result.returncode == 1
    document = json.loads(result.stdout)
    assert document["objects"] == 4
    assert document["errors"] == 1
    finding = next(finding for finding in document["findings"] if finding["severity"] == "Error")
    assert finding == {
        "severity": "Error",
        "reason": "GatewayNotFound",
        "file": f"{manifests}/policy.yaml",
        "line": 5,
        "kind": "GatewayPolicy",
        "namespace": "claude",
        "name": "everyone",
        "field": "spec.gatewayRefs[0]",
        "message": "GatewayDeployment claude/absent does not exist",
    }
