"""Developer keys: read, bounded by the gateway, left out one by one."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, key, policy, secret, snapshot

from gateway_operator.compiler import Compiled, Severity, lint

WORLD = (binding(), policy(), secret())
DIGEST = hashlib.sha256(b"cgk_a").hexdigest()


def compiled_keys(*keys: Any, **developer_keys: Any) -> Compiled:
    return compiled(gateway(identity={"developerKeys": developer_keys}), *WORLD, *keys)


def names(result: Compiled) -> list[str]:
    assert result.configuration is not None
    return [each.name for each in result.configuration.developer_keys]


def test_a_key_as_key_create_writes_it() -> None:
    written = key("a", groups="engineering\nplatform\n", expires="2027-06-01T00:00:00Z", sha256=DIGEST.upper() + "\n")
    result = compiled_keys(written)
    assert result.configuration is not None
    (read,) = result.configuration.developer_keys
    assert (read.name, read.user, read.sha256) == ("claude/a", "alice@corp.example", DIGEST)
    assert read.groups == ("engineering", "platform")
    assert read.expires == 1811808000
    assert result.findings == ()


def test_keys_are_sorted_by_name_whatever_their_order() -> None:
    assert names(compiled_keys(key("b"), key("a"), key("c"))) == ["claude/a", "claude/b", "claude/c"]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"sha256": "5e88"}, "data.sha256"),
        ({"sha256": ""}, "data.sha256"),
        ({"sha256": "g" * 64}, "data.sha256"),
        ({"sha256": b"\xff" * 64}, "data.sha256"),
        ({"user": ""}, "data.user"),
        ({"user": b"\xff"}, "data.user"),
        ({"user": "a\nb"}, "data.user"),
        ({"user": "u" * 300}, "data.user"),
        ({"groups": b"\xff"}, "data.groups"),
        ({"groups": "a\x07b"}, "data.groups"),
        ({"groups": "g" * 300}, "data.groups"),
        ({"expires": "tomorrow"}, "data.expires"),
        ({"expires": "2027-06-01"}, "data.expires"),
        ({"expires": "2027-06-01T00:00:00"}, "data.expires"),
        ({"expires": "2027-13-01T00:00:00Z"}, "data.expires"),
        ({"expires": "0001-01-01T00:00:00+23:59"}, "data.expires"),
    ],
)
def test_a_key_that_cannot_be_read_is_left_out_alone(data: dict[str, Any], path: str) -> None:
    result = compiled_keys(key("good"), key("bad", **data))
    assert names(result) == ["claude/good"]
    (finding,) = result.findings
    assert (finding.ref.kind, finding.ref.name) == ("Secret", "bad")
    assert (finding.reason, finding.path, finding.severity) == ("KeyInvalid", path, Severity.ERROR)


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("2027-06-01T00:00:00Z", 1811808000),
        ("2027-06-01T02:00:00+02:00", 1811808000),
        ("2027-06-01 00:00:00.123456789z", 1811808000),
        ("", None),
        ("\n", None),
    ],
)
def test_moments_are_read_as_rfc_3339_has_them(expires: str, seconds: int | None) -> None:
    result = compiled_keys(key("a", expires=expires))
    assert result.configuration is not None
    assert result.configuration.developer_keys[0].expires == seconds


def test_one_hash_in_two_secrets_is_nobody() -> None:
    result = compiled_keys(
        key("a", sha256=DIGEST), key("b", sha256=DIGEST.upper(), user="mallory@corp.example"), key("c")
    )
    assert names(result) == ["claude/c"]
    assert {(finding.ref.name, finding.reason) for finding in result.findings} == {
        ("a", "KeyNotUnique"),
        ("b", "KeyNotUnique"),
    }


def test_a_second_secret_spoils_the_hash_even_where_it_is_refused_itself() -> None:
    result = compiled_keys(key("a", sha256=DIGEST), key("b", sha256=DIGEST, groups="root"), allowedGroups=["ci"])
    assert names(result) == []


def test_groups_are_bounded_by_the_gateway() -> None:
    result = compiled_keys(key("a", groups="ci"), key("b", groups="ci\nroot"), key("c"), allowedGroups=["ci", "dev"])
    assert names(result) == ["claude/a", "claude/c"]
    (finding,) = result.findings
    assert (finding.reason, finding.path) == ("GroupNotAllowed", "data.groups")
    assert '"root"' in finding.message


@pytest.mark.parametrize(
    ("created", "expires", "reason"),
    [
        (1000, "1970-01-01T01:00:00Z", None),
        (0, "1970-01-01T01:00:01Z", "KeyLifetimeTooLong"),
        (None, "1970-01-01T01:00:01Z", None),
        (0, "", "KeyWithoutExpiry"),
        (None, "", "KeyWithoutExpiry"),
    ],
)
def test_lifetimes_are_bounded_by_the_gateway(created: int | None, expires: str, reason: str | None) -> None:
    result = compiled_keys(key("a", created=created, expires=expires), maxTTL="1h")
    assert [finding.reason for finding in result.findings] == ([reason] if reason else [])
    assert names(result) == ([] if reason else ["claude/a"])


def test_a_gateway_may_take_no_keys_at_all() -> None:
    result = compiled_keys(key("a"), enabled=False)
    assert names(result) == []
    assert [(finding.reason, finding.severity) for finding in result.findings] == [
        ("DeveloperKeysDisabled", Severity.WARNING)
    ]


def test_only_labelled_keys_of_the_gateways_namespace_count() -> None:
    mine = key("a")
    others = (
        replace(key("b"), labels={}),
        replace(key("c"), labels={"claude-gateway.dev/gateway": "crop"}),
        replace(key("d"), namespace="other"),
        replace(key("e"), type="Opaque"),
    )
    assert names(compiled_keys(mine, *others)) == ["claude/a"]
    strays = [finding for finding in lint(snapshot(gateway(), *WORLD, mine, *others)) if finding.ref.kind == "Secret"]
    assert [(finding.ref.name, finding.reason, finding.severity) for finding in strays] == [
        ("b", "GatewayNotFound", Severity.WARNING),
        ("c", "GatewayNotFound", Severity.WARNING),
        ("d", "GatewayNotFound", Severity.WARNING),
    ]
