"""Rules on addresses: what the proxy gets, and which of them cannot mean what they say."""

from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, policy, secret

from gateway_operator.compiler import Finding

INGRESS = {"type": "Ingress", "ingress": {"className": "nginx"}}


def findings(**spec: Any) -> list[Finding]:
    return [
        one for one in compiled(gateway(**spec), binding(), policy(), secret()).findings if "Secret" not in one.reason
    ]


def test_the_rules_reach_the_proxy() -> None:
    http = {
        "trustedProxies": ["10.0.0.5", "fd00::/8"],
        "allowCIDRs": ["192.0.2.0/24", "10.0.0.0/8"],
        "denyCIDRs": ["192.0.2.66"],
        "signInRateLimits": {"deviceAuthorizationsPer10Minutes": 60},
    }
    configuration = compiled(gateway(http=http)).configuration
    assert configuration is not None
    clients = configuration.clients
    assert clients.trusted_proxies == ("10.0.0.5/32", "fd00::/8")
    assert clients.allow_cidrs == ("10.0.0.0/8", "192.0.2.0/24")
    assert clients.deny_cidrs == ("192.0.2.66/32",)
    assert clients.device_authorizations_per_10_minutes == 60
    assert clients.code_submissions_per_10_minutes == 10


def test_another_spelling_is_the_same_configuration() -> None:
    first = compiled(gateway(http={"denyCIDRs": ["2001:db8::/32", "10.0.0.1"]}))
    second = compiled(gateway(http={"denyCIDRs": ["10.0.0.1/32", "2001:DB8:0::/32"]}))
    assert first.configuration == second.configuration


def test_trusting_everyone_is_told() -> None:
    (finding,) = findings(http={"trustedProxies": ["10.0.0.0/8", "0.0.0.0/0"]})
    assert (finding.reason, finding.path) == ("EveryProxyTrusted", "spec.http.trustedProxies[1]")


@pytest.mark.parametrize(
    ("http", "paths"),
    [
        ({"allowCIDRs": ["10.0.0.0/8"]}, ["spec.http.allowCIDRs"]),
        ({"denyCIDRs": ["10.0.0.0/8"]}, ["spec.http.denyCIDRs"]),
        ({"denyCIDRs": ["10.0.0.0/8"], "trustedProxies": ["10.1.0.0/16"]}, []),
        ({}, []),
    ],
)
def test_rules_on_addresses_that_nobody_sees_are_told(http: dict[str, Any], paths: list[str]) -> None:
    found = findings(http=http, exposure=INGRESS)
    assert [(one.reason, one.path) for one in found] == [("ClientAddressesHidden", path) for path in paths]
    assert findings(http=http) == [], "nothing is known to stand before a ClusterIP"
