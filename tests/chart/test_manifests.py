"""The rendered chart, and every example, pass kubeconform and a dry run on a real API server.

kubeconform's schemas are made from that API server's own OpenAPI documents, our CRDs among them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.helm import Helm, Manifest
from tests.chart.schemas import LOCATION, write_schemas
from tests.chart.test_rendering import SETS
from tests.cluster.api_client import SERVER_SIDE_APPLY
from tests.cluster.api_server import ApiServer

EXAMPLES = sorted(path for path in (Path(__file__).parents[2] / "examples").rglob("*.yaml"))
# The Prometheus Operator's CRDs are not here.
FOREIGN = {"ServiceMonitor"}


@pytest.fixture(scope="module")
def schemas(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    assert write_schemas(cluster.client, folder) > 100
    return folder


def _kubeconform(program: Path, schemas: Path, manifests: list[Manifest]) -> dict[str, Any]:
    command = [str(program), "-strict", "-output", "json", "-summary", "-schema-location", f"{schemas}/{LOCATION}"]
    command += ["-skip", ",".join(FOREIGN)]
    text = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _dry_run(cluster: ApiServer, manifests: list[Manifest]) -> list[str]:
    """What the API server refuses."""
    refusals = []
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "test", "force": "true"}
    for manifest in manifests:
        if manifest["kind"] in FOREIGN:
            continue
        path = cluster.client.path_of(manifest)
        answer = cluster.client.request("PATCH", path, body=manifest, query=query, content_type=SERVER_SIDE_APPLY)
        if answer.refusal is not None:
            refusals.append(f"{manifest['kind']} {manifest['metadata']['name']}: {answer.refusal}")
    return refusals


def _problems(answer: dict[str, Any]) -> list[str]:
    return [f"{each['kind']} {each['name']}: {each['msg']}" for each in answer["resources"] or []]


def _example(path: Path) -> list[Manifest]:
    return [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_the_chart(
    values: dict[str, Any], helm: Helm, cluster: ApiServer, schemas: Path, programs: dict[str, Path]
) -> None:
    manifests = helm.template(values)
    answer = _kubeconform(programs["kubeconform"], schemas, manifests)
    assert not _problems(answer)
    assert answer["summary"]["valid"] == len([each for each in manifests if each["kind"] not in FOREIGN])
    assert not _dry_run(cluster, manifests)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_example(path: Path, cluster: ApiServer, schemas: Path, programs: dict[str, Path]) -> None:
    manifests = _example(path)
    answer = _kubeconform(programs["kubeconform"], schemas, manifests)
    assert not _problems(answer)
    assert answer["summary"]["valid"] == len(manifests) > 0
    assert not _dry_run(cluster, manifests)


def test_the_schemas_find_a_mistake(helm: Helm, schemas: Path, programs: dict[str, Path]) -> None:
    """A check that accepts everything would pass everything above."""
    manifests = helm.template({"crds": {"enabled": False}})
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Always"
        if manifest["kind"] == "Service":
            manifest["spec"]["ports"][0]["port"] = "http"
    gateway = {
        "apiVersion": "claude-gateway.dev/v1alpha1",
        "kind": "GatewayDeployment",
        "metadata": {"name": "corp"},
        "spec": {"publicURL": "https://claude.corp.example", "replica": 3},
    }
    problems = "\n".join(_problems(_kubeconform(programs["kubeconform"], schemas, [*manifests, gateway])))
    for word in ("imagePulPolicy", "got string, want integer", "'replica' not allowed"):
        assert word in problems
