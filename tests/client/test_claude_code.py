"""A developer's Claude Code, pointed at the gateway with a developer key."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.client.claude_code import Answer, ClaudeCode, install
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, Script, stream, usual
from tests.standins.gateway import Gateway
from tests.standins.manifests import developer_key, key_of, policy, smallest
from tests.standins.requests_seen import Received

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

BOB = "bob@corp.example"


@pytest.fixture(scope="session")
def program() -> Path:
    return install()


@pytest.fixture
def claude(program: Path, tmp_path: Path) -> ClaudeCode:
    home = tmp_path / "home"
    home.mkdir()
    return ClaudeCode(program, home)


def ask(claude: ClaudeCode, gateway: Gateway, prompt: str, *arguments: str, user: str = "") -> Answer:
    token = key_of(user) if user else gateway.key()
    return claude.ask(prompt, *arguments, base_url=gateway.url, environment={"ANTHROPIC_AUTH_TOKEN": token})


def test_a_prompt_is_answered(claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream) -> None:
    answer = ask(claude, gateway, "Say hello")
    assert (answer.exit_code, answer.stdout.strip()) == (0, "Hello from the upstream."), answer
    assert upstream.last.target == "/v1/messages?beta=true"
    assert (upstream.last.header("user-agent") or "").startswith("claude-cli/2.1.330")
    assert "claude-code-20250219" in (upstream.last.header("anthropic-beta") or "")
    assert upstream.last.header("x-app") == "cli"
    assert b"Say hello" in upstream.last.body
    assert key_of("alice@corp.example") not in repr(upstream.last)


def test_a_key_in_x_api_key_is_as_good(claude: ClaudeCode, gateway: Gateway) -> None:
    answer = claude.ask("Say hello", base_url=gateway.url, environment={"ANTHROPIC_API_KEY": gateway.key()})
    assert (answer.exit_code, answer.stdout.strip()) == (0, "Hello from the upstream."), answer


def test_a_tool_is_called_and_its_result_goes_back(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    def respond(request: Received) -> Script:
        if request.path != "/v1/messages":
            return usual(request)
        results = tool_results(request)
        if not results:
            asked = messages.tool_use("Bash", {"command": "echo tool-$((40 + 2))", "description": "Adds"})
            return stream(messages.events(messages.text("Let me add."), asked))
        return stream(messages.events(messages.text(f"The tool said {results[-1]}")))

    upstream.respond = respond
    answer = ask(claude, gateway, "Add with the shell", "--allowedTools", "Bash")
    assert (answer.exit_code, answer.stdout.strip()) == (0, "The tool said tool-42"), answer


def tool_results(request: Received) -> list[str]:
    """What the tools said, in order."""
    found: list[str] = []
    for message in request.json()["messages"]:
        content = message["content"]
        for block in content if isinstance(content, list) else []:
            if block["type"] == "tool_result":
                inner = block["content"]
                found.append(inner if isinstance(inner, str) else "".join(part.get("text", "") for part in inner))
    return found


def test_a_thinking_stream_arrives_as_it_is_written(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    thought, said = messages.thinking("The user greets me."), messages.text("Good day to you.")
    upstream.script(*stream(messages.events(thought, said)))
    answer = ask(
        claude, gateway, "Good day",
        "--output-format", "stream-json", "--verbose", "--include-partial-messages",
    )  # fmt: skip
    assert answer.exit_code == 0, answer
    streamed = [line["event"] for line in answer.events() if line["type"] == "stream_event"]
    assert joined(streamed, "thinking") == "The user greets me."
    assert joined(streamed, "text") == "Good day to you."
    assert [line["result"] for line in answer.events() if line["type"] == "result"] == ["Good day to you."]


def joined(events: list[dict[str, Any]], kind: str) -> str:
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta[kind] for delta in deltas if delta["type"] == f"{kind}_delta")


def test_a_denied_model_shows_our_message(claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream) -> None:
    only_haiku = policy("contractors", matches=[{"users": [BOB]}], availableModels=["claude-haiku-5-5"])
    gateway.load(smallest(upstream.url, only_haiku, developer_key(BOB)))
    answer = ask(claude, gateway, "Say hello", "--model", "claude-opus-5-5", user=BOB)
    assert answer.exit_code != 0
    assert "is not open to you on this gateway" in answer.stdout, answer
    assert "claude-haiku-5-5" in answer.stdout
    assert upstream.requests == []
    allowed = ask(claude, gateway, "Say hello", "--model", "claude-haiku-5-5", user=BOB)
    assert allowed.stdout.strip() == "Hello from the upstream.", allowed


def test_a_long_context_model_is_asked_for_by_its_plain_name(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    answer = ask(claude, gateway, "Say hello", "--model", "claude-sonnet-5-5[1m]")
    assert answer.stdout.strip() == "Hello from the upstream.", answer
    assert upstream.last.json()["model"] == "claude-sonnet-5-5"


def test_a_wrong_key_says_how_to_get_one(claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream) -> None:
    answer = claude.ask("Say hello", base_url=gateway.url, environment={"ANTHROPIC_AUTH_TOKEN": key_of("nobody")})
    assert answer.exit_code != 0
    assert "key is not known to this gateway" in answer.stdout, answer
    assert upstream.requests == []


def test_an_overflow_keeps_the_words_that_the_client_looks_for(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    overflow = "prompt is too long: 215000 tokens > 200000 maximum"
    upstream.respond = lambda request: [framing.error_answer(400, "invalid_request_error", overflow)]
    answer = ask(claude, gateway, "Say hello")
    assert answer.exit_code != 0
    # The client has a sentence of its own for exactly this error; it shows that it has understood.
    assert "Prompt is too long" in answer.stdout, answer


def test_a_policy_can_have_clients_leave_the_billing_block_out(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    """What docs/providers tells whoever has an upstream that does not take it (gateway case 8)."""
    environment = {"ANTHROPIC_AUTH_TOKEN": gateway.key()}
    for more, present in (({}, True), ({"CLAUDE_CODE_ATTRIBUTION_HEADER": "0"}, False)):
        answer = claude.ask("Say hello", base_url=gateway.url, environment=environment | more)
        assert answer.exit_code == 0, answer
        assert ("x-anthropic-billing-header" in upstream.last.json()["system"][0]["text"]) == present


def test_what_the_client_keeps_to_itself_never_leaves_the_gateway(
    claude: ClaudeCode, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    ask(claude, gateway, "The canary sings: heliotrope-7731")
    said = gateway.log_text() + gateway.audit_text() + gateway.metrics_text() + json.dumps(gateway.status())
    assert [secret for secret in ("heliotrope-7731", gateway.key(), API_KEY) if secret in said] == []
