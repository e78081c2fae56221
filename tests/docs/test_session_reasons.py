"""Every reason for which a sign-in, a session or an administrator is turned away is explained to who meets it."""

import re
from pathlib import Path

import pytest

import gateway_proxy

PROXY = Path(gateway_proxy.__file__).parent
PAGE = (PROXY.parents[1] / "docs" / "troubleshooting.md").read_text()
SOURCES = [
    *(PROXY / "web" / "oauth").glob("*.py"),
    *(PROXY / "web" / "admin").glob("*.py"),
    PROXY / "identity" / "sessions" / "renewing.py",
]
_NAMED = re.compile(
    r"""(?:reason=|refused\(|Error\(|_end\(\s*record, |reason = |trip, |visit, None, )["']([A-Z][A-Za-z]+)["']"""
)
OWN = (PROXY / "web" / "refusals.py").read_text()
REASONS = sorted(
    {name for source in SOURCES for name in _NAMED.findall(source.read_text())}
    | set(re.findall(r'reason="([A-Za-z]+)"', OWN))
    | {"ProviderDenied", "ProviderFailed", "ProviderRefused"}
)
_IN_AUDIT_LINES_ALONE = frozenset({"SignedOut", "AdminRevoked"})


@pytest.mark.parametrize("reason", sorted(set(REASONS) - _IN_AUDIT_LINES_ALONE))
def test_a_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in PAGE


def test_they_are_found() -> None:
    assert {"RefreshTokenReused", "OtherBrowser", "StoreUnavailable", "NotAnAdmin", "UserCodeUnknown"} <= set(REASONS)
