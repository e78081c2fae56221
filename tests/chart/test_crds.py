"""The chart's CRDs are those of `crds/`, switched and kept by its values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.helm import CHART, Helm

from gateway_operator.crdgen.chart import as_template

ROOT = Path(__file__).parents[2]
TEMPLATES = CHART / "templates" / "crds"
KEEP = "helm.sh/resource-policy"


def _crds(helm: Helm, values: dict[str, Any]) -> dict[str, Any]:
    found = [each for each in helm.template(values) if each["kind"] == "CustomResourceDefinition"]
    return {each["metadata"]["name"]: each for each in found}


def test_the_templates_are_what_the_models_say() -> None:
    command = [sys.executable, "-m", "gateway_operator.crdgen", "--check", "--chart", str(TEMPLATES), "crds"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_rendered_they_are_those_of_crds(helm: Helm) -> None:
    wanted = {}
    for path in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        wanted[crd["metadata"]["name"]] = crd["spec"]
    assert {name: crd["spec"] for name, crd in _crds(helm, {}).items()} == wanted


def test_they_stay_unless_asked_otherwise(helm: Helm) -> None:
    kept = _crds(helm, {}).values()
    assert {crd["metadata"]["annotations"][KEEP] for crd in kept} == {"keep"}
    assert not any("annotations" in crd["metadata"] for crd in _crds(helm, {"crds": {"keep": False}}).values())


def test_they_take_annotations_of_other_tools(helm: Helm) -> None:
    option = {"argocd.argoproj.io/sync-options": "Prune=false"}
    for crd in _crds(helm, {"crds": {"annotations": option}}).values():
        assert crd["metadata"]["annotations"] == {KEEP: "keep"} | option
    for crd in _crds(helm, {"crds": {"annotations": option, "keep": False}}).values():
        assert crd["metadata"]["annotations"] == option


def test_they_can_be_left_to_others(helm: Helm) -> None:
    assert not _crds(helm, {"crds": {"enabled": False}})


def test_text_that_looks_like_a_template_stays_text() -> None:
    template = as_template("# generated\napiVersion: v1\nkind: A\nmetadata:\n  name: a\nspec: 'write {{ .x }}'\n")
    assert """spec: 'write {{ "{{" }} .x }}'""" in template


def test_a_definition_without_metadata_is_refused() -> None:
    with pytest.raises(ValueError, match="no metadata"):
        as_template("apiVersion: v1\nkind: A\n")
