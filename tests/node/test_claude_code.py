"""A developer's Claude Code at a gateway in the cluster: through its Service, and through an ingress proxy."""

from pathlib import Path

import pytest
from tests.client.claude_code import Answer, ClaudeCode, install
from tests.node.gateways import NodeGateway
from tests.node.ingress_proxies import IngressProxy
from tests.npm_packages import BUILD
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream, Script, stream, usual
from tests.standins.gateway import ALICE
from tests.standins.manifests import key_of
from tests.standins.requests_seen import Received

HELLO = "Hello from the upstream."


@pytest.fixture
def claude(tmp_path: Path) -> ClaudeCode:
    assert (BUILD / "claude-code" / ".complete").exists(), (
        "nothing can be fetched in here: python -m tests.client.claude_code, outside"
    )
    home = tmp_path / "home"
    home.mkdir()
    return ClaudeCode(install(), home)


def ask(claude: ClaudeCode, url: str, prompt: str, *arguments: str) -> Answer:
    return claude.ask(prompt, *arguments, base_url=url, environment={"ANTHROPIC_AUTH_TOKEN": key_of(ALICE)})


def test_a_prompt_is_answered_through_the_service(
    claude: ClaudeCode, shared_gateway: NodeGateway, upstream: AnthropicUpstream
) -> None:
    answer = ask(claude, shared_gateway.url, "Say hello")
    assert (answer.exit_code, answer.stdout.strip()) == (0, HELLO), answer
    assert (upstream.last.header("user-agent") or "").startswith("claude-cli/")
    assert key_of(ALICE) not in repr(upstream.last)


def test_tools_and_streams_pass_an_ingress_proxy(
    claude: ClaudeCode, shared_gateway: NodeGateway, upstream: AnthropicUpstream, tmp_path: Path
) -> None:
    def respond(request: Received) -> Script:
        if request.path != "/v1/messages":
            return usual(request)
        if b"tool-42" in request.body:
            return stream(messages.events(messages.text("The tool said tool-42")))
        asked = messages.tool_use("Bash", {"command": "echo tool-$((40 + 2))", "description": "Adds"})
        return stream(messages.events(messages.text("Let me add."), asked))

    ingress = shared_gateway.child("networking.k8s.io/v1", "Ingress")
    assert ingress is not None
    upstream.respond = respond
    with IngressProxy(ingress, backend=f"{shared_gateway.host}:{shared_gateway.port}", folder=tmp_path) as proxy:
        answer = ask(claude, proxy.url, "Add with the shell", "--allowedTools", "Bash")
    assert (answer.exit_code, answer.stdout.strip()) == (0, "The tool said tool-42"), answer
