"""The Claude Agent SDK, with the client that it brings along, pointed at the gateway."""

from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultError,
    ResultMessage,
    StreamEvent,
    TextBlock,
    create_sdk_mcp_server,
    query,
    tool,
)
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Script, stream, usual
from tests.standins.gateway import Gateway
from tests.standins.identity_provider import IdentityProvider
from tests.standins.manifests import developer_key, key_of, policy, smallest
from tests.standins.requests_seen import Received
from tests.standins.sign_in import SignInWorld

pytestmark = pytest.mark.timeout(240)
BOB = "bob@corp.example"


def options(gateway: Gateway, home: Path, *, token: str = "", **given: Any) -> ClaudeAgentOptions:
    """An application on a machine of its own: no login, no settings, no traffic but ours."""
    return ClaudeAgentOptions(
        cwd=home,
        setting_sources=[],
        env={
            "HOME": str(home),
            "ANTHROPIC_BASE_URL": gateway.url,
            "ANTHROPIC_AUTH_TOKEN": token or gateway.key(),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
        **given,
    )


def texts(found: list[Any]) -> list[str]:
    blocks = [block for one in found if isinstance(one, AssistantMessage) for block in one.content]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


async def test_a_query_is_answered(gateway: Gateway, upstream: AnthropicUpstream, tmp_path: Path) -> None:
    found = [one async for one in query(prompt="Say hello", options=options(gateway, tmp_path))]
    assert texts(found) == ["Hello from the upstream."]
    (result,) = [one for one in found if isinstance(one, ResultMessage)]
    assert (result.subtype, result.is_error) == ("success", False)
    assert "agent-sdk/" in (upstream.last.header("user-agent") or "")
    assert gateway.key() not in repr(upstream.last)
    line = gateway.wait_for_audit(1)[-1]
    assert (line["sub"], line["status"]) == ("alice@corp.example", 200)


async def test_an_answer_streams(gateway: Gateway, tmp_path: Path) -> None:
    asked = options(gateway, tmp_path, include_partial_messages=True)
    events = [one.event async for one in query(prompt="Say hello", options=asked) if isinstance(one, StreamEvent)]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert len(deltas) > 1
    assert "".join(delta["text"] for delta in deltas) == "Hello from the upstream."


async def test_a_tool_of_the_application_is_called(
    gateway: Gateway, upstream: AnthropicUpstream, tmp_path: Path
) -> None:
    called: list[dict[str, Any]] = []

    @tool("add", "Adds two numbers", {"a": int, "b": int})
    async def add(given: dict[str, Any]) -> dict[str, Any]:
        called.append(given)
        return {"content": [{"type": "text", "text": str(given["a"] + given["b"])}]}

    def respond(request: Received) -> Script:
        if request.path != "/v1/messages":
            return usual(request)
        if b"tool_result" in request.body:
            return stream(messages.events(messages.text("It is 42.")))
        return stream(messages.events(messages.tool_use("mcp__numbers__add", {"a": 40, "b": 2})))

    upstream.respond = respond
    asked = options(
        gateway,
        tmp_path,
        mcp_servers={"numbers": create_sdk_mcp_server("numbers", tools=[add])},
        allowed_tools=["mcp__numbers__add"],
    )
    async with ClaudeSDKClient(options=asked) as client:
        await client.query("Add 40 and 2")
        found = [one async for one in client.receive_response()]
    assert called == [{"a": 40, "b": 2}]
    assert texts(found) == ["It is 42."]


async def test_a_denied_model_is_told_with_the_way_out(
    gateway: Gateway, upstream: AnthropicUpstream, tmp_path: Path
) -> None:
    only_haiku = policy("contractors", matches=[{"users": [BOB]}], availableModels=["claude-haiku-5-5"])
    gateway.load(smallest(upstream.url, only_haiku, developer_key(BOB)))
    asked = options(gateway, tmp_path, token=key_of(BOB), model="claude-opus-5-5")
    with pytest.raises(ResultError, match="use claude-haiku-5-5"):
        async for _ in query(prompt="Say hello", options=asked):
            pass
    assert upstream.requests == []


async def test_the_token_of_a_session_is_as_good_as_a_key(upstream: AnthropicUpstream, tmp_path: Path) -> None:
    with (
        IdentityProvider() as idp,
        SignInWorld(tmp_path / "world", idp, upstream=upstream.url) as world,
    ):
        asked = options(world.gateway, tmp_path, token=world.sign_in().access, model="claude-sonnet-5-5")
        found = [one async for one in query(prompt="Say hello", options=asked)]
        assert texts(found) == ["Hello from the upstream."]
        line = world.gateway.wait_for_audit(1)[-1]
        assert (line["email"], line["status"]) == ("alice@corp.example", 200)
        assert idp.problems == []
