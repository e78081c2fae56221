"""`claude-gateway explain`: what one caller may do, and which object says so."""

import json

from tests.local import running

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


def test_who_is_denied_and_why() -> None:
    denied = running.run("explain", LOCKED, "--user", "Mallory@corp.example")
    assert denied.returncode == 0
    assert "access    Deny  from claude/shut-out" in denied.stdout
    unknown = running.run("explain", LOCKED, "--user", "eve@elsewhere.example")
    assert "policy    none matches, and there is no base layer" in unknown.stdout
    assert "passed over: claude/employees: matches[0]: emailDomains asks for corp.example" in unknown.stdout


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
