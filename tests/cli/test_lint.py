"""`claude-gateway lint`: findings with places, and exit codes for pipelines."""

import json
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import BINDING, GATEWAY, POLICY, SECRET, SMALLEST, write


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return write(tmp_path / "m", SMALLEST | {"secret.yaml": SECRET})


def test_clean_manifests(manifests: Path) -> None:
    result = running.run("lint", manifests, "--strict")
    assert result.returncode == 0
    assert result.stdout == "4 objects, nothing to remark\n"
    assert result.stderr == ""


def test_a_warning(manifests: Path) -> None:
    write(
        manifests,
        {"binding.yaml": BINDING + '  pricing: [{id: claude-opus-5-5, inputPerMTok: "4", outputPerMTok: "20"}]\n'},
    )
    result = running.run("lint", manifests)
    assert result.returncode == 0
    assert f"warning: {manifests}/binding.yaml:9: spec.pricing: " in result.stdout
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


CA = GATEWAY + "  egress: {caRef: {kind: KIND, name: ca, key: ca.crt}}\n"


def test_one_missing_secret_is_told_once(manifests: Path) -> None:
    """What needs the binding is judged as if its Secret were there."""
    (manifests / "secret.yaml").unlink()
    write(manifests, {"policy.yaml": POLICY + "  providers: [{name: anthropic}]\n"})
    result = running.run("lint", manifests)
    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if line.startswith("warning")] == [
        f"warning: {manifests}/binding.yaml:8: spec.anthropic.apiKeySecretRef: Secret claude/anthropic does not exist "
        "in these files; it has to be in the cluster (SecretNotFound)"
    ]


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_certificates_that_are_elsewhere(manifests: Path, kind: str) -> None:
    write(manifests, {"gateway.yaml": CA.replace("KIND", kind)})
    result = running.run("lint", manifests)
    assert result.returncode == 0
    assert f"{kind} claude/ca does not exist in these files" in result.stdout
    assert "4 objects, 0 errors, 1 warning" in result.stdout
    explained = running.run("explain", manifests, "--user", "alice")
    assert explained.stderr == (
        f"warning: {manifests}/gateway.yaml:6: spec.egress.caRef: {kind} claude/ca does not exist in these files; "
        "it is taken to be in the cluster\n"
    )


def test_a_secret_pasted_in_place_of_its_name_is_not_told(manifests: Path) -> None:
    for reference in ("sk-ant-canary7f3a", "{name: sk-ant-canary7f3A, key: api-key}", "{name: a, key: sk canary7f3a}"):
        write(manifests, {"binding.yaml": BINDING.replace("{name: anthropic, key: api-key}", reference)})
        result = running.run("lint", manifests)
        assert result.returncode == 1
        assert "binding.yaml:8: spec.anthropic.apiKeySecretRef" in result.stdout
        assert "canary7f3" not in result.stdout + result.stderr


SIGN_IN = """  identity:
    oidc:
      - name: google
        issuer: https://accounts.google.com
        clientID: 1234.apps.googleusercontent.com
        clientSecretRef: {name: google, key: client-secret}
        googleGroups: {serviceAccountSecretRef: {name: google}, adminEmail: admin@corp.example}
"""
POSTGRES = "  store: {type: Postgres, postgres: {urlSecretRef: {name: gateway-db, key: url}}}\n"


def test_values_of_sign_ins_that_are_elsewhere_are_warnings(manifests: Path) -> None:
    write(manifests, {"gateway.yaml": GATEWAY + SIGN_IN + POSTGRES})
    result = running.run("lint", manifests, "-o", "json")
    assert result.returncode == 0, result.stdout
    found = {(each["field"], each["reason"]) for each in json.loads(result.stdout)["findings"]}
    assert found == {
        ("spec.identity.oidc[0].clientSecretRef", "SecretNotFound"),
        ("spec.identity.oidc[0].googleGroups.serviceAccountSecretRef", "SecretNotFound"),
        ("spec.store.postgres.urlSecretRef", "SecretNotFound"),
    }
    assert running.run("render", manifests).returncode == 0


def test_sign_ins_without_a_store(manifests: Path) -> None:
    write(manifests, {"gateway.yaml": GATEWAY + SIGN_IN})
    result = running.run("lint", manifests)
    assert result.returncode == 1
    assert "spec.identity.oidc: needs a store for sign-in sessions: set spec.store" in result.stdout
