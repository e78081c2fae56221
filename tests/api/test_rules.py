"""Each one-object rule has a case of its own under tests/crd/cases, and the models refuse it in the rule's words.

The API server is asked the same cases in tests/crd: so the CEL text and its Python twin cannot drift apart unseen.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_operator.api.v1alpha1 import InvalidObject, validate
from gateway_operator.crdgen.definitions import NAMES, definition

CASES = Path(__file__).parents[1] / "crd" / "cases"
MARK = "# refused: "


def _rules(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        yield from node.get("x-kubernetes-validations", [])
        for value in node.values():
            yield from _rules(value)
    elif isinstance(node, list):
        for value in node:
            yield from _rules(value)


def _messages(kind: str) -> set[str]:
    return {rule["message"] for rule in _rules(definition(kind))}


def _texts(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]


REFUSED = sorted(CASES.rglob("refused-*.yaml"))
MESSAGES = {message for kind in NAMES for message in _messages(kind)}
BY_RULE = [(path, text) for path in REFUSED for text in _texts(path) if text in MESSAGES]


@pytest.mark.parametrize("kind", NAMES)
def test_each_rule_has_a_refused_case(kind: str) -> None:
    covered = {text for path in (CASES / kind.lower()).glob("refused-*.yaml") for text in _texts(path)}
    # The same rule stands at many fields with other bounds: one case shows the form.
    bounds = {message for message in _messages(kind) if message.startswith("must be at least ")}
    assert not _messages(kind) - covered - bounds


@pytest.mark.parametrize(("path", "text"), BY_RULE, ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_the_models_refuse_in_the_words_of_the_rule(path: Path, text: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        validate(yaml.safe_load(path.read_text()))
    assert text in [violation.message for violation in refused.value.violations]


@pytest.mark.parametrize("kind", NAMES)
def test_rules_are_one_line_and_name_fields_that_exist(kind: str) -> None:
    for rule in _rules(definition(kind)):
        assert "\n" not in rule["rule"] + rule["message"]
        assert not rule["message"].endswith(".")
