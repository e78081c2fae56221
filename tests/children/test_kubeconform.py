"""What `render` shows passes kubeconform, the check that pipelines run over manifests."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.children.gateways import EXAMPLES, documented, gateway, of
from tests.cluster.api_client import ApiClient
from tests.cluster.programs import ensure
from tests.cluster.schemas import LOCATION, write_schemas
from tests.local import running

from gateway_operator.api.v1alpha1 import GatewayDeployment, validate
from gateway_operator.children import Manifest

Conform = Callable[[list[Manifest]], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def conform(api: ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Conform:
    """Runs kubeconform. The kinds of other projects have no schema here."""
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(api, folder)
    program = ensure(("kubeconform",), report=lambda _: None)["kubeconform"]
    command = [str(program), "-strict", "-schema-location", f"{folder}/{LOCATION}", "-skip", "HTTPRoute,ServiceMonitor"]

    def run(manifests: list[Manifest]) -> "subprocess.CompletedProcess[str]":
        text = "\n---\n".join(map(json.dumps, manifests))
        return subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=60)

    return run


@pytest.mark.parametrize(
    "example", sorted(path.parent for path in EXAMPLES.glob("*/gateway.yaml")), ids=lambda it: it.name
)
def test_rendered_examples(conform: Conform, example: Path) -> None:
    rendered = json.loads(running.run("render", example, "-o", "json").stdout)
    result = conform([each for part in rendered["gateways"] for each in part["objects"]])
    assert result.returncode == 0, result.stdout


def test_children_of_every_documented_gateway(conform: Conform) -> None:
    manifests: list[Manifest] = []
    for name, manifest in documented():
        subject = validate(manifest)
        assert isinstance(subject, GatewayDeployment)
        manifests += of(subject, namespace=f"of-{name}").wanted
    result = conform(manifests)
    assert result.returncode == 0, result.stdout


def test_a_mistake_is_found(conform: Conform) -> None:
    (deployment,) = [child for child in of(gateway()).wanted if child["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    result = conform([deployment])
    assert result.returncode == 1
    assert "imag" in result.stdout
