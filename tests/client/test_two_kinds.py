"""The two kinds of client, in the flesh: what each sends, which the named cases take for granted, and that a signed-in
one is answered through an upstream of every type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.client.claude_code import ClaudeCode, install
from tests.client.managed_machine import ManagedMachine
from tests.client.signing_in import Consenting, managed_settings, sign_in
from tests.gateway.cases.clients import (
    BETAS,
    BILLING,
    CLIENT_HEADERS,
    MEMBERS,
    POINTED_AT,
    USER_AGENT,
    Client,
)
from tests.gateway.cases.gateways import CaseGateway
from tests.standins.identity_provider import IdentityProvider
from tests.standins.providers import MODEL, PROVIDERS
from tests.standins.requests_seen import Received

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

HELLO = "Hello from the upstream."
KEPT_BACK = "x-claude-code-session-id"
"""What a client tells the gateway alone."""
OF_ITS_MACHINE = ("x-stainless-arch", "x-stainless-os", "x-stainless-runtime-version")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[CaseGateway]:
    with IdentityProvider() as idp, CaseGateway(tmp_path / "gateway", idp) as gateway:
        yield gateway


def assert_written(client: Client, request: Received) -> None:
    """The request is as `tests.gateway.cases.clients` has it: names and values alike where those are the client's."""
    written, sent = client.value(), request.json()
    assert (request.header("anthropic-beta") or "").split(",") == list(BETAS[client.kind])
    assert request.header("user-agent") == USER_AGENT
    for name, value in CLIENT_HEADERS:
        if name in OF_ITS_MACHINE:
            assert request.header(name)
        elif name != KEPT_BACK:
            assert request.header(name) == value, name
    assert list(sent) == list(written)
    assert {name: sent.get(name) for name in MEMBERS[POINTED_AT]} == {
        name: MEMBERS[client.kind].get(name) for name in MEMBERS[POINTED_AT]
    }
    assert sent["system"][0] == {"type": "text", "text": BILLING[client.kind]}
    for name in ("model", "max_tokens", "thinking", "output_config", "stream"):
        assert sent[name] == written[name], name
    assert _marks(sent["system"]) == _marks(written["system"])
    assert {key for tool in sent["tools"] for key in tool} == {key for tool in written["tools"] for key in tool}
    assert json.loads(sent["metadata"]["user_id"]).keys() == json.loads(written["metadata"]["user_id"]).keys()


def _marks(blocks: list[dict[str, Any]]) -> list[Any]:
    return [block.get("cache_control") for block in blocks]


def test_a_client_that_is_pointed_at_the_gateway(stage: CaseGateway, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    client = stage.pointed_at()
    with PROVIDERS["Anthropic"]() as provider:
        stage.use(provider)
        environment = {"ANTHROPIC_AUTH_TOKEN": client.bearer, "ANTHROPIC_MODEL": MODEL}
        answer = ClaudeCode(install(), home).ask("Say hello", base_url=stage.url, environment=environment)
        assert answer.stdout.strip() == HELLO, answer
        assert_written(client, provider.last)


def test_a_client_that_signed_in_through_every_upstream(stage: CaseGateway, tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    with ExitStack() as stack:
        providers = {name: stack.enter_context(make()) for name, make in PROVIDERS.items()}
        stage.use(providers["Anthropic"])
        machine = ManagedMachine(install(), folder, managed_settings(stage.url))
        sign_in(machine, Consenting(), "alice", url=stage.url)
        for name, provider in providers.items():
            stage.use(provider)
            answer = machine.run("-p", "Say hello", "--model", MODEL)
            assert answer.stdout.strip() == HELLO, (name, answer)
            assert provider.problems == []
        assert_written(stage.signed_in(), providers["Anthropic"].last)
