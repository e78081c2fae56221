"""Every case has its tests, with both kinds of client."""

import ast
import re
from pathlib import Path

NUMBERS = set(range(1, 30))
BOTH_KINDS = {"client", "pinged", "restricted"}
"""The fixtures that run a test once for each kind of client."""


def test_each_of_the_29_is_shown_for_both_kinds_of_client() -> None:
    tests = [
        node
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and BOTH_KINDS & {argument.arg for argument in node.args.args}
    ]
    numbers = [re.match(r"test_case_(\d\d)_", test.name) for test in tests]
    assert {int(number[1]) for number in numbers if number} == NUMBERS
