"""YAML in the pages is what the API takes: a reader copies it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_operator.api.v1alpha1 import validate

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
API_VERSION = "claude-gateway.dev/v1alpha1"
_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_URL = "https://claude.corp.example"
_OF_A_GATEWAY = {
    *("networkPolicy", "exposure", "identity", "autoscaling", "podTemplate", "resources"),
    *("http", "safeguards", "session", "spend", "store"),
}


def _whole(document: dict[str, Any]) -> dict[str, Any] | None:
    """A snippet as an object of ours: part of a gateway or policy is put into one. None: of another kind."""
    if "kind" in document:
        return document if document.get("apiVersion") == API_VERSION else None
    kind, spec = "GatewayDeployment", document.get("spec", document)
    if spec.keys() & {"matches", "rateLimits"}:
        kind, spec = "GatewayPolicy", {"gatewayRefs": [{"name": "corp"}], **spec}
    elif "annotations" in spec:
        spec = {"publicURL": _URL, "exposure": {"type": "Ingress", "ingress": spec}}
    elif spec.keys() & _OF_A_GATEWAY:
        spec = {"publicURL": _URL, **spec}
    elif "spec" not in document:
        return None
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "corp", "namespace": "claude"}, "spec": spec}


def _snippets() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            for document in yaml.safe_load_all(match[1]):
                if isinstance(document, dict) and (whole := _whole(document)) is not None:
                    yield pytest.param(whole, id=f"{page.relative_to(ROOT)}:{line} {whole['kind']}")


SNIPPETS = list(_snippets())


@pytest.mark.parametrize("manifest", SNIPPETS)
def test_a_snippet_is_valid(manifest: dict[str, Any]) -> None:
    validate(manifest)


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 5
