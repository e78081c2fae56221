"""Every manifest of `cases/` meets the verdict that its name gives, on a real API server and without one.

A file is named `accepted-*.yaml` or `refused-*.yaml` and holds one object. A refused one begins with a line
`# refused: TEXT` for each text that the API server's message must hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.api_client import ApiClient

from gateway_operator.api.v1alpha1 import InvalidObject, validate

CASES = Path(__file__).with_name("cases")
FILES = sorted(CASES.rglob("*.yaml"))
ACCEPTED = [path for path in FILES if path.name.startswith("accepted-")]
REFUSED = [path for path in FILES if path.name.startswith("refused-")]
MARK = "# refused: "


def _name(path: Path) -> str:
    return str(path.relative_to(CASES).with_suffix(""))


def _manifest(path: Path) -> dict[str, Any]:
    documents = list(yaml.safe_load_all(path.read_text()))
    assert len(documents) == 1, f"{_name(path)} holds {len(documents)} objects, not one"
    manifest: dict[str, Any] = documents[0]
    return manifest


def _texts(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)]


def _create(api: ApiClient, manifest: dict[str, Any]) -> str | None:
    """The API server's refusal, or None. Nothing is stored."""
    namespace = manifest.get("metadata", {}).get("namespace", "default")
    made = api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    assert made.status in (201, 409), made.refusal
    return api.create(manifest, dry_run=True).refusal


def test_every_file_is_a_case() -> None:
    strays = [_name(path) for path in CASES.rglob("*") if path.is_file() and path not in {*ACCEPTED, *REFUSED}]
    assert not strays, "files in cases/ are named accepted-*.yaml or refused-*.yaml"
    silent = [_name(path) for path in REFUSED if not _texts(path)]
    assert not silent, f"a refused case says why, in lines that begin with {MARK!r}"
    contradictory = [_name(path) for path in ACCEPTED if _texts(path)]
    assert not contradictory, "an accepted case names no refusal"


def test_both_verdicts_are_there_for_every_kind() -> None:
    kinds = {"GatewayDeployment", "ProviderBinding", "GatewayPolicy"}
    assert {_manifest(path)["kind"] for path in ACCEPTED} == kinds
    assert {_manifest(path)["kind"] for path in REFUSED} == kinds


@pytest.mark.parametrize("path", ACCEPTED, ids=_name)
def test_the_api_server_accepts(path: Path, api: ApiClient) -> None:
    assert _create(api, _manifest(path)) is None


@pytest.mark.parametrize("path", ACCEPTED, ids=_name)
def test_the_models_accept(path: Path) -> None:
    validate(_manifest(path))


@pytest.mark.parametrize("path", REFUSED, ids=_name)
def test_the_api_server_refuses(path: Path, api: ApiClient) -> None:
    refusal = _create(api, _manifest(path))
    assert refusal is not None, "accepted"
    missing = [text for text in _texts(path) if text not in refusal]
    assert not missing, f"the API server says: {refusal}"


@pytest.mark.parametrize("path", REFUSED, ids=_name)
def test_the_models_refuse(path: Path) -> None:
    with pytest.raises(InvalidObject) as refused:
        validate(_manifest(path))
    assert refused.value.violations
