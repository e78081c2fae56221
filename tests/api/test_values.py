"""Durations, URLs, addresses and names: what is taken and what is not."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway_operator.api.v1alpha1.addresses import BaseURL, Network, Origin, SecureURL
from gateway_operator.api.v1alpha1.base import camel_case
from gateway_operator.api.v1alpha1.scalars import Decimal, Duration, Quantity


def _taken(kind: Any, value: Any) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("720h", 2_592_000),
        ("1500ms", 1.5),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_a_duration_knows_its_seconds(text: str, seconds: float) -> None:
    assert TypeAdapter(Duration).validate_python(text).seconds == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "1d", "1.5h", "-1s", "1h 30m", "123456s", "1s1s1s1s1s", "10m\n", 600])
def test_no_duration(text: Any) -> None:
    assert not _taken(Duration, text)


@pytest.mark.parametrize(
    ("kind", "text", "taken"),
    [
        (Origin, "https://claude.corp.example", True),
        (Origin, "https://claude:8443", True),
        (Origin, "http://localhost:8080", True),
        (Origin, "http://[::1]", True),
        (Origin, "http://localhost.corp.example", False),
        (Origin, "http://127.0.0.1.example", False),
        (Origin, "https://claude.corp.example\n", False),
        (Origin, "https://a..b", False),
        (Origin, "https://" + "a" * 64 + ".example", False),
        (Origin, "https://claude:0", False),
        (Origin, "https://[fe80::1%eth0]", False),
        (SecureURL, "https://idp.example/realms/corp", True),
        (SecureURL, "http://localhost/realms/corp", True),
        (SecureURL, "http://localhost@evil.example/", False),
        (SecureURL, "", False),
        (BaseURL, "", True),
        (BaseURL, "http://mirror.corp/anthropic/", True),
        (BaseURL, "https://mirror.corp/?key=1", False),
        (BaseURL, "https://mirror.corp\\@evil.example", False),
        (Network, "10.0.0.0/8", True),
        (Network, "2001:db8::/32", True),
        (Network, "192.0.2.7", True),
        (Network, "10.0.0.0/255.0.0.0", False),
        (Network, "10.0.0.0/08", False),
        (Network, "10.0.0.1/8", False),
        (Network, "fe80::1%eth0", False),
        (Decimal, "0.000001", True),
        (Decimal, "1e3", False),
        (Decimal, ".5", False),
        (Quantity, "256Mi", True),
        (Quantity, 2, True),
        (Quantity, -1, False),
        (Quantity, "1 GB", False),
    ],
)
def test_forms(kind: Any, text: Any, taken: bool) -> None:
    assert _taken(kind, text) is taken


@pytest.mark.parametrize(
    ("attribute", "field"),
    [
        ("public_url", "publicURL"),
        ("url_secret_ref", "urlSecretRef"),
        ("webhook_url_secret_ref", "webhookURLSecretRef"),
        ("claude_platform_aws", "claudePlatformAWS"),
        ("cache_write_5m_per_m_tok", "cacheWrite5mPerMTok"),
        ("device_authorizations_per_10_minutes", "deviceAuthorizationsPer10Minutes"),
        ("allow_cidrs", "allowCIDRs"),
        ("from_", "from"),
    ],
)
def test_field_names(attribute: str, field: str) -> None:
    assert camel_case(attribute) == field
