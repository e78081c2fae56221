"""A developer's Claude Code that has signed in: its policy reaches it, and what it reports reaches the collectors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.claude_code import install
from tests.client.managed_machine import ManagedMachine
from tests.client.signing_in import Consenting, managed_settings, sign_in
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.collector import Collector
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import policy
from tests.standins.sign_in import SignInWorld

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

MODELS = {"enforceAvailableModels": True}
"""Binds the client's default model too."""


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def world(tmp_path: Path, idp: IdentityProvider, upstream: AnthropicUpstream) -> Iterator[SignInWorld]:
    with SignInWorld(tmp_path / "world", idp, upstream=upstream.url) as world:
        yield world


@pytest.fixture
def machine(tmp_path: Path, world: SignInWorld) -> ManagedMachine:
    folder = tmp_path / "machine"
    folder.mkdir()
    machine = ManagedMachine(install(), folder, managed_settings(world.url))
    sign_in(machine, Consenting(), "alice", url=world.url)
    return machine


def tools(upstream: AnthropicUpstream) -> set[str]:
    """Those that the client offered with its last prompt."""
    asked = [request.json() for request in upstream.requests if request.path == "/v1/messages"]
    return {tool["name"] for body in asked for tool in body.get("tools", ())}


def test_its_policy_reaches_it(machine: ManagedMachine, world: SignInWorld, upstream: AnthropicUpstream) -> None:
    world.load(policy("base", settings=MODELS))
    answer = machine.run("-p", "Say hello")
    assert answer.stdout.strip() == "Hello from the upstream.", answer
    assert upstream.last.json()["model"] == "claude-sonnet-5-5"
    assert "Edit" in tools(upstream), "nothing forbids it so far"
    line = world.line("managed.serve", status=200)
    assert (line["email"], line["policy"]) == ("alice@corp.example", "claude/engineers")

    world.load(policy("base", settings=MODELS | {"permissions": {"deny": ["Edit"]}}))
    upstream.begin_test()
    assert machine.run("-p", "Say hello again").exit_code == 0
    assert "Edit" not in tools(upstream)

    assert machine.run("-p", "And again").exit_code == 0
    assert world.line("managed.serve", status=304), "it had the document"


def test_it_reports_without_being_told_on_the_machine(machine: ManagedMachine, world: SignInWorld) -> None:
    with Collector() as collector:
        telemetry = {
            "gatewayMetrics": False,
            "destinations": [{"name": "all", "endpoint": collector.http_url, "signals": ["Metrics", "Logs"]}],
        }
        world.load(policy("base", settings=MODELS | {"env": {"OTEL_LOGS_EXPORTER": "none"}}), telemetry=telemetry)
        answer = machine.run("-p", "Say hello")
        assert answer.stdout.strip() == "Hello from the upstream.", answer
        export = collector.first("metrics")
        assert "claude_code.token.usage" in export.metrics()
        assert "authorization" not in export.headers
        assert collector.of("logs") == [], "its policy keeps the events at home"
