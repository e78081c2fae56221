"""`claude-gateway render`: the compiled configuration and every object that comes of it, secrets masked."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.children.gateways import EXAMPLES
from tests.local import running
from tests.local.running import GATEWAY, SECRET, SMALLEST, write

CANARY = "sk-ant-canary-7f3a"


def _objects(*arguments: str | Path) -> dict[str, Any]:
    result = running.run("render", *arguments, "-o", "json")
    assert result.returncode == 0, result.stderr
    (gateway,) = json.loads(result.stdout)["gateways"]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in gateway["objects"]}


def test_the_configuration_and_its_secrets(tmp_path: Path) -> None:
    manifests = write(tmp_path, SMALLEST | {"secret.yaml": SECRET})
    result = running.run("render", manifests)
    assert result.returncode == 0, result.stderr
    configuration, *objects = yaml.safe_load_all(result.stdout)
    assert configuration["base"]["models"] == ["claude-haiku-5-5", "claude-sonnet-5-5"]
    secrets = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Secret"}
    assert set(secrets) == {"corp-config", "corp-credentials", "corp-signing"}
    assert secrets["corp-credentials"]["stringData"]["credentials.json"].startswith("(masked, ")
    assert secrets["corp-config"]["stringData"]["part-0"].startswith("(masked, ")
    assert all("data" not in secret for secret in secrets.values())
    assert CANARY not in result.stdout + result.stderr


def test_every_child_in_the_order_in_which_they_are_made(tmp_path: Path) -> None:
    gateway = GATEWAY + "  autoscaling: {maxReplicas: 9}\n  exposure: {type: Ingress}\n"
    kinds = [name.split("/")[0] for name in _objects(write(tmp_path, SMALLEST | {"gateway.yaml": gateway}))]
    assert set(kinds) == {
        "Secret",
        "ServiceAccount",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceMonitor",
        "Ingress",
        "Deployment",
        "HorizontalPodAutoscaler",
    }
    assert kinds[-2:] == ["Deployment", "HorizontalPodAutoscaler"]


def test_an_image_of_ones_own(tmp_path: Path) -> None:
    deployment = _objects(write(tmp_path, SMALLEST), "--image", "registry.example/own:1")["Deployment/corp"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/own:1"


@pytest.mark.parametrize(
    "example", sorted(path.parent for path in EXAMPLES.glob("*/gateway.yaml")), ids=lambda it: it.name
)
def test_examples(example: Path) -> None:
    assert {"Deployment/corp", "Service/corp", "Secret/corp-config"} <= set(_objects(example))


def test_yaml_without_anchors(tmp_path: Path) -> None:
    # People copy parts of it, and an alias means nothing elsewhere.
    assert "&id" not in running.run("render", write(tmp_path, SMALLEST)).stdout


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


CLOUDS = {
    "Bedrock": ("bedrock", "{region: eu-central-1, accessKeySecretRef: {name: aws}}"),
    "ClaudePlatformAWS": (
        "claudePlatformAWS",
        "{region: us-east-1, workspaceID: w, accessKeySecretRef: {name: aws}}",
    ),
    "VertexAI": ("vertexAI", "{projectID: p, region: global, serviceAccountSecretRef: {name: google}}"),
    "Foundry": (
        "foundry",
        "{resource: r, entra: {tenantID: t, clientID: c, clientSecretRef: {name: entra, key: secret}}}",
    ),
}
GOOGLE = json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": CANARY, "refresh_token": CANARY})
CLOUD_SECRETS = {
    "aws": {"accessKeyID": "AKIDEXAMPLE", "secretAccessKey": CANARY},
    "google": {"key.json": GOOGLE},
    "entra": {"secret": CANARY},
}


def _clouds(*, secrets: bool) -> dict[str, str]:
    files = {
        f"{kind}.yaml": BINDING_OF.format(name=kind.lower(), type=kind, member=member, spec=spec)
        for kind, (member, spec) in CLOUDS.items()
    }
    if secrets:
        documents = (
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": "claude"},
                "stringData": data,
            }
            for name, data in CLOUD_SECRETS.items()
        )
        files["secrets.yaml"] = yaml.safe_dump_all(documents)
    return {"gateway.yaml": GATEWAY} | files


BINDING_OF = """
apiVersion: claude-gateway.dev/v1alpha1
kind: ProviderBinding
metadata: {{name: {name}, namespace: claude}}
spec:
  gatewayRefs: [{{name: corp}}]
  type: {type}
  {member}: {spec}
"""


def test_every_provider_with_its_secrets_masked(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, _clouds(secrets=True)))
    assert result.returncode == 0, result.stderr
    configuration, *objects = yaml.safe_load_all(result.stdout)
    assert {each["type"] for each in configuration["upstreams"]} == set(CLOUDS)
    masked = next(each for each in objects if each["metadata"]["name"] == "corp-credentials")
    assert "claude/bedrock, claude/claudeplatformaws, claude/foundry, claude/vertexai" in str(masked["stringData"])
    assert CANARY not in result.stdout + result.stderr


def test_every_provider_whose_secret_is_elsewhere(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, _clouds(secrets=False)))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("warning: ") == len(CLOUDS)
    assert {each["type"] for each in next(yaml.safe_load_all(result.stdout))["upstreams"]} == set(CLOUDS)


def test_a_gateway_that_cannot_be_compiled(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, SMALLEST | {"gateway.yaml": GATEWAY + "  nonsense: 1\n"}))
    assert result.returncode == 1
    assert result.stdout == ""
    assert f'{tmp_path}/gateway.yaml:6: spec.nonsense: unknown field "spec.nonsense"' in result.stderr


def test_what_cannot_be_read(tmp_path: Path) -> None:
    result = running.run("render", write(tmp_path, {"a.yaml": "{"}))
    assert result.returncode == 2
    assert len(running.lines_of(result.stderr)) == 1
