"""The committed definitions are those of the models, and the generator says so when they are not."""

from pathlib import Path

import pytest
import yaml

from gateway_operator.crdgen import definitions
from gateway_operator.crdgen.__main__ import main

CRDS = Path(__file__).parents[2] / "crds"


def test_the_committed_files_are_those_of_the_models() -> None:
    assert main(["--check", str(CRDS)]) == 0


def test_a_change_and_a_stray_file_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    changed = tmp_path / definitions.file_name("GatewayPolicy")
    changed.write_text(changed.read_text().replace("maxItems: 64", "maxItems: 65", 1))
    (tmp_path / "old.yaml").write_text("kind: Gone\n")
    assert main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "maxItems: 65" in said
    assert "old.yaml is not one of ours" in said
    assert "make crds" in said


def test_each_kind_has_names_columns_and_subresources() -> None:
    found = {}
    for path in sorted(CRDS.glob("*.yaml")):
        assert path.stat().st_size < definitions.MAX_BYTES
        crd = yaml.safe_load(path.read_text())
        version = crd["spec"]["versions"][0]
        assert version["subresources"]["status"] == {}
        names = crd["spec"]["names"]
        assert names["categories"] == ["claude-gateway"]
        found[names["shortNames"][0]] = [column["name"] for column in version["additionalPrinterColumns"]]
    assert found == {
        "gwd": ["Ready", "Programmed", "URL", "Replicas", "Age", "Reason", "Revision"],
        "pb": ["Gateway", "Type", "Ready", "Programmed", "Age", "Reason"],
        "gp": ["Gateway", "Priority", "Ready", "Programmed", "Age", "Reason"],
    }


def test_a_definition_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_BYTES", 1000)
    with pytest.raises(definitions.TooLarge, match="must stay below 1000"):
        definitions.as_yaml("GatewayPolicy")
