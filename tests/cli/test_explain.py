"""`claude-gateway explain`: what one caller may do, and which object says so."""

import json
from pathlib import Path

import pytest
from tests.local import running
from tests.local.running import BINDING, POLICY, SECRET, SMALLEST

KEYS = "examples/02-developer-keys"
LOCKED = "examples/04-locked-down"


def test_a_contractor() -> None:
    arguments = ("explain", KEYS, "--user", "bob@partner.example", "--group", "contractors")
    result = running.run(*arguments, "--model", "claude-opus-5-5")
    assert result.returncode == 0
    assert "policy    claude/contractors\n" in result.stdout
    assert "models    1  from claude/contractors\n" in result.stdout
    assert "claude-haiku-5-5  via claude/anthropic" in result.stdout
    assert 'refused: model "claude-opus-5-5" is not open to you on this gateway' in result.stdout


def test_a_route() -> None:
    result = running.run("explain", "examples/03-failover", "--user", "alice", "--model", "claude-sonnet-5-5[1m]")
    assert "route     claude-sonnet-5-5[1m] is claude-sonnet-5-5\n" in result.stdout
    first = result.stdout.index("1. claude/anthropic-team as claude-sonnet-5-5 (priority 200)")
    assert first < result.stdout.index("2. claude/anthropic-reserve as claude-sonnet-5-5 (priority 100)")


@pytest.mark.parametrize(
    ("example", "hop"),
    [
        ("07-bedrock", "1. claude/bedrock-frankfurt as eu.anthropic.claude-opus-5-5 (priority 200)"),
        ("07-bedrock", "2. claude/bedrock-ireland as arn:aws:bedrock:eu-west-1:123456789012:application-inference-pro"),
        ("08-claude-platform-aws", "1. claude/claude-aws as claude-opus-5-5"),
        ("09-vertex-ai", "1. claude/vertex as claude-opus-5-5"),
        ("10-foundry", "1. claude/foundry as opus-for-claude-code"),
        ("11-workload-identity", "1. claude/anthropic as claude-opus-5-5"),
    ],
)
def test_a_route_to_every_provider(example: str, hop: str) -> None:
    result = running.run("explain", f"examples/{example}", "--user", "alice", "--model", "claude-opus-5-5")
    assert result.returncode == 0
    assert hop in result.stdout


def test_a_route_with_shares_and_bounds(tmp_path: Path) -> None:
    heavy = "  weight: 3\n  maxConcurrentRequests: 20\n  health: {failuresBeforeCoolDown: 1, coolDown: 1m}\n"
    other = BINDING.replace("name: anthropic", "name: zebra", 1) + heavy
    manifests = running.write(tmp_path / "m", SMALLEST | {"secret.yaml": SECRET, "other.yaml": other})
    arguments = ("explain", manifests, "--user", "alice", "--model", "claude-sonnet-5-5")
    out = running.run(*arguments).stdout
    assert "(priority 0), 25% of the sessions (weight 1), behind the others for 30 s after 3 failures" in out
    assert (
        "2. claude/zebra as claude-sonnet-5-5 (priority 0), 75% of the sessions (weight 3), "
        "at most 20 requests at once in a pod, behind the others for 60 s after 1 failure" in out
    )
    hops = json.loads(running.run(*arguments, "-o", "json").stdout)["model"]["route"]
    assert [(hop["weight"], hop["share"], hop["max_concurrent_requests"]) for hop in hops] == [
        (1, 0.25, 0),
        (3, 0.75, 20),
    ]


def test_who_is_denied_and_why() -> None:
    denied = running.run("explain", LOCKED, "--user", "Mallory@corp.example")
    assert denied.returncode == 0
    assert "access    Deny  from claude/shut-out" in denied.stdout
    unknown = running.run("explain", LOCKED, "--user", "eve@elsewhere.example")
    assert "policy    none matches, and there is no base layer" in unknown.stdout
    assert "passed over: claude/employees: matches[0]: emailDomains asks for corp.example" in unknown.stdout


def test_limits(tmp_path: Path) -> None:
    limits = "  rateLimits: {requestsPerMinute: 60, openStreams: 8}\n"
    manifests = running.write(tmp_path / "m", SMALLEST | {"secret.yaml": SECRET, "policy.yaml": POLICY + limits})
    result = running.run("explain", manifests, "--user", "alice")
    assert "limit     60 requests a minute  from claude/everyone\n" in result.stdout
    assert "          8 requests at once  from claude/everyone\n" in result.stdout
    document = json.loads(running.run("explain", manifests, "--user", "alice", "-o", "json").stdout)
    assert document["rate_limits"] == {"requestsPerMinute": 60, "openStreams": 8}


def test_settings_and_desktop(tmp_path: Path) -> None:
    said = "  settings: {permissions: {deny: [WebFetch]}}\n  desktop: {}\n"
    manifests = running.write(tmp_path / "m", SMALLEST | {"secret.yaml": SECRET, "policy.yaml": POLICY + said})
    result = running.run("explain", manifests, "--user", "alice")
    assert "settings  permissions.deny  from claude/everyone\n" in result.stdout
    assert "desktop   configured  from claude/everyone\n" in result.stdout


def test_json() -> None:
    result = running.run("explain", KEYS, "--user", "alice", "--group", "engineering", "--group", "x", "-o", "json")
    document = json.loads(result.stdout)
    assert document["policy"] == "claude/engineering"
    assert document["caller"]["groups"] == ["engineering", "x"]
    assert len(document["models"]) > 3


def test_what_cannot_be_read() -> None:
    result = running.run("explain", "/nowhere", "--user", "alice")
    assert result.returncode == 2
    assert result.stderr == "error: /nowhere: no such file or directory\n"


SIGN_IN = """apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayDeployment
metadata: {name: corp, namespace: claude}
spec:
  publicURL: https://claude.corp.example
  store: {type: Embedded}
  identity:
    oidc: [{name: okta, issuer: https://corp.okta.com, clientID: 0oa1}]
    workloads:
      - name: github
        issuer: https://token.actions.githubusercontent.com
        audience: https://claude.corp.example
        rules: [{match: {repository_owner: corp}, user: "ci:{repository}"}]
"""
SOURCES = """---
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {name: staff, namespace: claude}
spec: {gatewayRefs: [{name: corp}], priority: 2, matches: [{identityProviders: [okta], emailDomains: [corp.example]}]}
---
apiVersion: claude-gateway.dev/v1alpha1
kind: GatewayPolicy
metadata: {name: pipelines, namespace: claude}
spec: {gatewayRefs: [{name: corp}], priority: 1, matches: [{workloads: [github]}]}
"""


def test_where_a_caller_comes_from_decides(tmp_path: Path) -> None:
    manifests = running.write(tmp_path, {"gateway.yaml": SIGN_IN + SOURCES})
    origin = ("--email", "alice@corp.example", "--identity-provider", "okta")
    signed_in = running.run("explain", manifests, "--user", "00u1", *origin)
    assert "caller    00u1 (no groups), email alice@corp.example, signed in with okta\n" in signed_in.stdout
    assert "policy    claude/staff\n" in signed_in.stdout
    workload = running.run("explain", manifests, "--user", "ci:corp/app", "--workload", "github", "-o", "json")
    assert json.loads(workload.stdout)["policy"] == "claude/pipelines"
    nobody = running.run("explain", manifests, "--user", "00u1")
    assert "none matches" in nobody.stdout
    unknown = running.run("explain", manifests, "--user", "00u1", "--identity-provider", "entra")
    assert (unknown.returncode, unknown.stderr) == (2, "error: --identity-provider entra: the gateway has okta\n")
