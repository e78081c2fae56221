"""Every defence of the threat model names the tests that hold it, and they exist."""

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "threat-model.md"
_TEST = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")
ROWS = [
    line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith(("| threat", "|--"))
]
NAMED = sorted({(name, target) for row in ROWS for name, target in _TEST.findall(row)})


@pytest.mark.parametrize(("name", "target"), NAMED, ids=[name for name, _ in NAMED])
def test_a_named_test_exists(name: str, target: str) -> None:
    file = (PAGE.parent / target).resolve()
    functions = {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in functions


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_defence_names_a_test(row: str) -> None:
    assert _TEST.search(row)


def test_there_are_defences() -> None:
    assert len(ROWS) >= 30
