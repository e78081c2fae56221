"""`python -m gateway_operator.crdgen [--check] [--chart DIR] [DIR]`: writes the CRDs, or compares with the models."""

import argparse
import difflib
import sys
from pathlib import Path

from gateway_operator.api.v1alpha1 import KINDS
from gateway_operator.crdgen.chart import as_template
from gateway_operator.crdgen.definitions import as_yaml, file_name


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 1 where --check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m gateway_operator.crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file differs")
    parser.add_argument("--chart", type=Path, metavar="DIR", help="the Helm chart's folder for CRD templates")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("crds"), metavar="DIR")
    options = parser.parse_args(arguments)
    definitions = {file_name(kind): as_yaml(kind) for kind in KINDS}
    folders = {options.directory: definitions}
    if options.chart:
        folders[options.chart] = {name: as_template(text) for name, text in definitions.items()}
    differences = []
    for directory, files in folders.items():
        wanted = {directory / name: text for name, text in files.items()}
        if options.check:
            differences += _differences(directory, wanted)
            continue
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
    if differences:
        sys.stderr.write("".join(differences) + "the CRDs differ from the models: run `make crds`\n")
    return 1 if differences else 0


def _differences(directory: Path, wanted: dict[Path, str]) -> list[str]:
    differences = [f"{path} is not one of ours\n" for path in sorted(directory.glob("*.yaml")) if path not in wanted]
    for path, text in wanted.items():
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        differences += difflib.unified_diff(
            present.splitlines(keepends=True), text.splitlines(keepends=True), str(path), "as the models have it"
        )
    return differences


if __name__ == "__main__":
    sys.exit(main())
