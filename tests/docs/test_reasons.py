"""Every reason that a condition can have is explained to the person who meets it."""

from pathlib import Path

import pytest

from gateway_operator.api.v1alpha1.conditions import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_a_reason_is_explained(reason: Reason) -> None:
    assert f"`{reason}`" in PAGE
