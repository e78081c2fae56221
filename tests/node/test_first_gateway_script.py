"""What `make cluster-up` and `make kind-up` lead a person to: the smallest example, a key, and an answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.node.kubernetes import Kube, reference, run
from tests.node.operators import Operator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def claude_namespace(kube: Kube) -> Iterator[None]:
    """The example's own namespace is made by the script, and goes with the test."""
    yield
    kube.delete(reference("v1", "Namespace", "", "claude")).accepted()


def test_the_example_answers_and_the_developer_is_told_how_to_connect(
    installed: Operator, claude_namespace: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    said = run(str(ROOT / "tests" / "cluster" / "first-gateway"))
    assert "demo upstream" in said
    assert "Your request came through the gateway with the model claude-haiku-5-5" in said
    assert "export ANTHROPIC_AUTH_TOKEN=cgk_" in said
