"""Every reason for which access is refused by address, limit or gateway rule is explained on its page."""

from pathlib import Path

import pytest

from gateway_proxy import errors
from gateway_proxy.errors import GatewayError

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text()
REFUSALS = (
    errors.address_denied("192.0.2.1"),
    errors.request_rate_limit(60, 5),
    errors.token_rate_limit(60, 5),
    errors.too_many_open(60, 5),
    errors.safeguards_refused(),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.reason)
def test_a_reason_is_explained(refusal: GatewayError) -> None:
    assert f"`{refusal.reason}`" in PAGE
