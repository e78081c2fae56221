"""The smallest gateway: one of each kind, one Secret."""

import pytest
from tests.compiler.manifests import CANARY, CORP, binding, compiled, gateway, key, policy, secret, snapshot

from gateway_config import bundle
from gateway_config.canonical import sha256_hex
from gateway_operator.compiler import ObjectRef, compile_gateway, gateways, lint


def test_everything_the_proxy_needs_is_there() -> None:
    result = compiled(
        binding(),
        policy(availableModels=["claude-sonnet-5-5", "claude-haiku-5-5"]),
        secret(),
        key("key-alice", groups="platform\nengineering\n"),
    )
    assert result.findings == ()
    configuration = result.configuration
    assert configuration is not None
    assert configuration.gateway.public_url == "https://claude.corp.example"
    assert configuration.limits.max_request_bytes == 32 * 1024 * 1024
    assert configuration.limits.max_buffered_bytes == 256 * 1024 * 1024
    assert configuration.limits.drain_seconds == 600
    (upstream,) = configuration.upstreams
    assert upstream.name == "claude/anthropic"
    assert upstream.base_url == "https://api.anthropic.com"
    assert upstream.models["claude-opus-4-1-20250805"] == "claude-opus-4-1-20250805"
    assert upstream.credential.sha256 == sha256_hex(CANARY.encode())
    assert upstream.timeouts.connect_seconds == 5
    assert upstream.timeouts.first_byte_seconds == 120
    assert upstream.timeouts.idle_seconds == 300
    assert result.credentials == {upstream.credential.name: CANARY}
    assert configuration.policies == ()
    assert configuration.base is not None
    assert configuration.base.models == ("claude-haiku-5-5", "claude-sonnet-5-5")
    (developer,) = configuration.developer_keys
    assert (developer.name, developer.user) == ("claude/key-alice", "alice@corp.example")
    assert developer.groups == ("engineering", "platform")


@pytest.mark.parametrize(
    ("written", "counts"),
    [
        ("https://Claude.Corp.Example:443", "https://claude.corp.example"),
        ("https://CLAUDE.corp.example:8443", "https://claude.corp.example:8443"),
        ("https://claude.corp.example:80", "https://claude.corp.example:80"),
        ("http://localhost:80", "http://localhost"),
        ("http://127.0.0.1:443", "http://127.0.0.1:443"),
        ("https://[2001:DB8:0:0::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_the_public_url_has_one_spelling(written: str, counts: str) -> None:
    configuration = compiled(gateway(publicURL=written)).configuration
    assert configuration is not None
    assert configuration.gateway.public_url == counts


def test_it_packs_into_a_bundle() -> None:
    result = compiled(binding(), policy(), secret())
    assert result.configuration is not None
    files = bundle.pack(result.configuration, credentials=result.credentials, sequence=1)
    assert sorted(files) == ["credentials.json", "index.json", "part-0"]


def test_a_gateway_on_its_own_says_what_it_lacks() -> None:
    result = compiled(gateway())
    assert result.configuration is not None
    assert result.configuration.base is None
    assert {finding.reason for finding in result.findings} == {"NoBindings", "NoPolicies"}


def test_a_gateway_that_is_absent_or_broken_has_no_configuration() -> None:
    absent = compile_gateway(snapshot(policy()), CORP)
    assert absent.configuration is None
    assert [(finding.reason, finding.path) for finding in absent.findings] == [
        ("GatewayNotFound", "spec.gatewayRefs[0]")
    ]
    broken = compiled(gateway(publicURL=5), binding(), policy(), secret())
    assert broken.configuration is None
    assert {finding.ref for finding in broken.findings} == {CORP}
    assert any(finding.path == "spec.publicURL" for finding in broken.findings)


def test_gateways_lists_them_all() -> None:
    found = gateways(snapshot(gateway("b"), gateway("a", publicURL=None), policy(), gateway("c", namespace="other")))
    assert found == (
        ObjectRef("GatewayDeployment", "claude", "a"),
        ObjectRef("GatewayDeployment", "claude", "b"),
        ObjectRef("GatewayDeployment", "other", "c"),
    )


def test_lint_of_a_sound_directory_is_silent() -> None:
    assert lint(snapshot(gateway(), binding(), policy(), secret())) == ()


def test_what_becomes_of_safeguards_and_tags_is_the_gateway_s_word() -> None:
    usual, other = compiled(), compiled(gateway(safeguards="Refuse", spend={"billingGroupTag": "cost-center"}))
    assert usual.configuration is not None
    assert (usual.configuration.safeguards, usual.configuration.billing_group_tag) == ("Forward", None)
    assert other.configuration is not None
    assert (other.configuration.safeguards, other.configuration.billing_group_tag) == ("Refuse", "cost-center")
    assert "NotImplemented" not in {finding.reason for finding in other.findings}
