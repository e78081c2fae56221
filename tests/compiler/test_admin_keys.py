"""Admin keys: Secrets of their own type, read as developer keys are."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tests.compiler.manifests import binding, compiled, gateway, key, policy, secret, snapshot

from gateway_config.contract import AdminKey
from gateway_operator.compiler import Compiled, Secret, lint

WORLD = (binding(), policy(), secret())
TYPE = "claude-gateway.dev/admin-key"


def admin_key(secret_name: str, /, **data: str | bytes) -> Secret:
    made = key(secret_name)
    members = {"sha256": made.data["sha256"], "name": "ops@corp.example", **data}
    written = {member: value.encode() if isinstance(value, str) else value for member, value in members.items()}
    return replace(made, type=TYPE, data=written)


def names(result: Compiled) -> list[str]:
    assert result.configuration is not None
    return [each.name for each in result.configuration.admin_keys]


def test_a_key_as_key_create_writes_it() -> None:
    result = compiled(*WORLD, admin_key("b", expires="2027-06-01T00:00:00Z"), admin_key("a"))
    assert result.configuration is not None
    digests = {name: hashlib.sha256(f"cgk_{name}".encode()).hexdigest() for name in "ab"}
    assert result.configuration.admin_keys == (
        AdminKey(name="claude/a", sha256=digests["a"], holder="ops@corp.example"),
        AdminKey(name="claude/b", sha256=digests["b"], holder="ops@corp.example", expires=1811808000),
    )
    assert result.configuration.developer_keys == ()
    assert result.findings == ()


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"sha256": "5e88"}, "data.sha256"),
        ({"name": ""}, "data.name"),
        ({"name": b"\xff"}, "data.name"),
        ({"name": "a\nb"}, "data.name"),
        ({"expires": "tomorrow"}, "data.expires"),
    ],
)
def test_a_key_that_cannot_be_read_is_left_out_alone(data: dict[str, Any], path: str) -> None:
    result = compiled(*WORLD, admin_key("good"), admin_key("bad", **data))
    assert names(result) == ["claude/good"]
    (finding,) = result.findings
    assert (finding.ref.name, finding.reason, finding.path) == ("bad", "KeyInvalid", path)


def test_one_hash_in_two_secrets_is_nobodys() -> None:
    result = compiled(*WORLD, admin_key("a", sha256="a" * 64), admin_key("b", sha256="A" * 64))
    assert names(result) == []
    assert {finding.reason for finding in result.findings} == {"KeyNotUnique"}


def test_a_gateway_without_developer_keys_has_admin_keys() -> None:
    result = compiled(gateway(identity={"developerKeys": {"enabled": False}}), *WORLD, admin_key("a"))
    assert names(result) == ["claude/a"]


def test_a_key_of_no_gateway_is_told() -> None:
    stray = replace(admin_key("a"), labels={"claude-gateway.dev/gateway": "crop"})
    (finding,) = lint(snapshot(gateway(), *WORLD, stray))
    assert (finding.ref.name, finding.reason) == ("a", "GatewayNotFound")
