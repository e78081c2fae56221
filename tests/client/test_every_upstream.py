"""A developer's Claude Code through an upstream of every type: an answer, a tool, a conversation that is too long, a
cancelled one."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.client.claude_code import Answer, ClaudeCode, install
from tests.standins import messages
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import serving
from tests.standins.providers import EVERY_TYPE, MODEL, PROVIDERS, Provider
from tests.standins.requests_seen import Received
from tests.standins.upstream import DEADLINE, Gate, Script

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

STREAM_JSON = ("--output-format", "stream-json", "--verbose")


@pytest.fixture(scope="module", params=EVERY_TYPE)
def shared_provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with PROVIDERS[request.param]() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider) -> Iterator[Provider]:
    shared_provider.begin_test()
    yield shared_provider
    assert shared_provider.problems == []


@pytest.fixture
def gateway(shared_gateway: Gateway, provider: Provider) -> Iterator[Gateway]:
    shared_gateway.begin_test(serving(*provider.manifests(), **provider.spec))
    yield shared_gateway
    shared_gateway.end_test()


@pytest.fixture
def claude(tmp_path: Path) -> ClaudeCode:
    home = tmp_path / "home"
    home.mkdir()
    return ClaudeCode(install(), home)


def at(gateway: Gateway) -> Mapping[str, Any]:
    return {"base_url": gateway.url, "environment": {"ANTHROPIC_AUTH_TOKEN": gateway.key(), "ANTHROPIC_MODEL": MODEL}}


def ask(claude: ClaudeCode, gateway: Gateway, prompt: str, *arguments: str) -> Answer:
    return claude.ask(prompt, *arguments, **at(gateway))


def test_a_tool_is_called_and_the_answer_is_shown(claude: ClaudeCode, gateway: Gateway, provider: Provider) -> None:
    def respond(request: Received) -> Script:
        if not provider.server.is_inference(request):
            return provider.server.usual(request)
        if "tool-42" in str(provider.value(request)["messages"]):
            return provider.streams(messages.events(messages.thinking("It works."), messages.text("The tool said 42.")))
        called = messages.tool_use("Bash", {"command": "echo tool-$((40 + 2))", "description": "Adds"})
        return provider.streams(messages.events(messages.text("Let me add."), called))

    provider.server.respond = respond
    answer = ask(claude, gateway, "Add with the shell", "--allowedTools", "Bash")
    assert (answer.exit_code, answer.stdout.strip()) == (0, "The tool said 42."), answer
    line = gateway.wait_for_audit(2)[-1]
    assert (line["upstream"], line["model"], line["status"]) == (f"claude/{provider.name}", MODEL, 200)
    assert line["tokens"]["output"] == messages.OUTPUT_TOKENS


def test_a_conversation_that_is_too_long_is_compacted(claude: ClaudeCode, gateway: Gateway, provider: Provider) -> None:
    """The client recognises each of the provider's ways to say so, and goes on by itself."""
    assert ask(claude, gateway, "Say hello").exit_code == 0
    for overflow, _ in provider.overflows():
        provider.server.script(*overflow)
        before = len(provider.server.requests)
        answer = ask(claude, gateway, "Say hello again", "--continue", *STREAM_JSON)
        assert answer.exit_code == 0, answer
        compacted = [one for one in answer.events() if one.get("subtype") == "compact_boundary"]
        assert [one["compact_metadata"]["trigger"] for one in compacted] == ["auto"], answer
        assert answer.events()[-1]["result"] == "Hello from the upstream."
        assert len(provider.server.requests) - before >= 3, "the prompt, the summary, the prompt again"


def test_a_cancelled_answer_is_cancelled_at_the_upstream(
    claude: ClaudeCode, gateway: Gateway, provider: Provider
) -> None:
    head, *rest = provider.streams(messages.events(messages.text("x" * 400)))
    gate = Gate()
    provider.server.respond = lambda request: [head, *rest[:4], gate]
    with claude.asking("Say hello", *STREAM_JSON, "--include-partial-messages", **at(gateway)) as process:
        assert gate.reached.wait(DEADLINE), "no request came"
        assert process.stdout is not None
        assert any("xxxx" in line for line in process.stdout), "the client shows what has come so far"
        process.send_signal(signal.SIGINT)
        provider.server.wait_for(lambda: provider.last.hung_up_at is not None, what="the client leaving")
        process.communicate(timeout=DEADLINE)
    # What the test before asked for may be told of late.
    line = eventually(
        lambda: next((one for one in gateway.audit("inference") if one["outcome"] == "client_gone"), None),
        what="an audit line of the client that left",
    )
    assert line["tokens"]["output"] > 1
    eventually(lambda: gateway.status()["open_streams"] == 0, what="no stream open")
