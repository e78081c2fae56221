"""`crds/` is what the models say, whole and small enough to apply, and `--check` tells when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway_operator.crdgen import definitions

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"


def _crdgen(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway_operator.crdgen", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CRDS, tmp_path / "crds"))


def test_crds_are_what_the_models_say() -> None:
    done = _crdgen("--check")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_writing_gives_the_same_bytes_every_time(tmp_path: Path) -> None:
    written = tmp_path / "new" / "folder"
    assert _crdgen(str(written)).returncode == 0
    assert {path.name: path.read_bytes() for path in written.iterdir()} == {
        path.name: path.read_bytes() for path in CRDS.iterdir()
    }


def test_check_shows_the_line_that_differs_and_writes_nothing(copy: Path) -> None:
    path = next(copy.glob("*gatewaydeployments.yaml"))
    changed = path.read_text().replace("maximum: 1000\n", "maximum: 999999\n", 1)
    path.write_text(changed)
    done = _crdgen("--check", str(copy))
    assert done.returncode == 1
    assert path.name in done.stderr
    assert "maximum: 999999" in done.stderr
    assert "make crds" in done.stderr
    assert path.read_text() == changed


def test_check_misses_a_file(copy: Path) -> None:
    path = next(copy.glob("*providerbindings.yaml"))
    path.unlink()
    done = _crdgen("--check", str(copy))
    assert done.returncode == 1
    assert path.name in done.stderr
    assert not path.exists()


def test_check_names_a_file_of_a_kind_that_is_gone(copy: Path) -> None:
    (copy / "claude-gateway.dev_leftovers.yaml").write_text("kind: CustomResourceDefinition\n")
    done = _crdgen("--check", str(copy))
    assert done.returncode == 1
    assert "claude-gateway.dev_leftovers.yaml is not one of ours" in done.stderr


def test_each_kind_has_names_columns_and_subresources() -> None:
    found = {}
    for path in CRDS.glob("*.yaml"):
        crd = yaml.safe_load(path.read_text())
        (version,) = crd["spec"]["versions"]
        assert version["subresources"]["status"] == {}
        names = crd["spec"]["names"]
        assert names["categories"] == ["claude-gateway"]
        found[names["shortNames"][0]] = [column["name"] for column in version["additionalPrinterColumns"]]
    assert found == {
        "gwd": ["Ready", "Programmed", "URL", "Replicas", "Age", "Reason", "Revision"],
        "pb": ["Gateway", "Type", "Ready", "Programmed", "Age", "Reason"],
        "gp": ["Gateway", "Priority", "Ready", "Programmed", "Age", "Reason"],
    }


def test_each_file_fits_into_the_annotation_of_kubectl_apply() -> None:
    assert all(path.stat().st_size < 256 * 1024 for path in CRDS.glob("*.yaml"))


def test_a_definition_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_BYTES", 1000)
    with pytest.raises(definitions.TooLarge, match="must stay below 1000"):
        definitions.as_yaml("GatewayPolicy")
