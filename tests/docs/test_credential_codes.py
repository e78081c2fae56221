"""The page on troubleshooting knows every code of a token endpoint that a log line has a way out for."""

from pathlib import Path

import pytest

from gateway_proxy.credentials import aws, entra, google

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()


@pytest.mark.parametrize("code", sorted({*aws._WAYS_OUT, *entra._WAYS_OUT, *google._WAYS_OUT}))
def test_a_code_is_on_the_page(code: str) -> None:
    assert f"`{code}`" in PAGE
