"""A developer signs in with the corporate identity provider, in the client's own screens, and works over the session.

The gateway is `claude-gateway up` with its embedded store, the identity provider a whole one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.client.claude_code import install
from tests.client.managed_machine import ManagedMachine
from tests.client.signing_in import let_expire, login_of, managed_settings, sign_in
from tests.oidc_provider.provider import CLIENT_SECRET, OpenIDProvider, openid_provider
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import eventually
from tests.standins.manifests import binding, deployment, policy, secret
from tests.standins.ports import free_port
from tests.standins.raw_client import fetch

pytestmark = pytest.mark.timeout(1000)
"""The first test may have to install the client."""

COMMAND = str(Path(sys.executable).with_name("claude-gateway"))
HELLO = "Hello from the upstream."
APPLICATION = """
import asyncio
from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, TextBlock, query

async def main():
    async for message in query(prompt="Say hello", options=ClaudeAgentOptions(model="claude-sonnet-5-5")):
        if isinstance(message, AssistantMessage):
            print(*(block.text for block in message.content if isinstance(block, TextBlock)))

asyncio.run(main())
"""
MODELS = ["claude-sonnet-5-5", "claude-haiku-5-5"]


class LocalGateway:
    """`claude-gateway up` on manifests of the test."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.admin_key = ""

    def create_admin_key(self) -> None:
        create = [COMMAND, "key", "create", "--admin", "ops", "--gateway", "corp", "--namespace", "claude"]
        done = subprocess.run(create, capture_output=True, text=True, check=True, timeout=60)
        (self.folder / "key-ops.yaml").write_text(done.stdout)
        (self.admin_key,) = [word for word in done.stderr.split() if word.startswith("cga_")]

    def session(self, *arguments: str) -> Any:
        """`claude-gateway session …`, its JSON."""
        environment = {**os.environ, "CLAUDE_GATEWAY_URL": self.url, "CLAUDE_GATEWAY_ADMIN_KEY": self.admin_key}
        command = [COMMAND, "session", *arguments, "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
        return json.loads(done.stdout)


@pytest.fixture
def upstream() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def provider(port: int) -> Iterator[OpenIDProvider]:
    with openid_provider(redirect_uri=f"http://127.0.0.1:{port}/oauth/callback", groups=["engineering"]) as provider:
        yield provider


@pytest.fixture
def gateway(port: int, provider: OpenIDProvider, upstream: AnthropicUpstream, tmp_path: Path) -> Iterator[LocalGateway]:
    folder = tmp_path / "manifests"
    folder.mkdir()
    oidc = provider.manifest()
    manifests = [
        deployment(identity={"oidc": [oidc]}, session={"loginNotice": "For corp employees only."}),
        secret(),
        secret("idp", CLIENT_SECRET),
        binding("anthropic", upstream.url),
        policy(
            "engineers",
            matches=[{"groups": ["engineering"], "identityProviders": ["corporate"]}],
            availableModels=MODELS,
            settings={"env": {"FROM_THE_GATEWAY": "yes"}, "permissions": {"deny": ["WebFetch"]}},
        ),
    ]
    (folder / "gateway.yaml").write_text(yaml.safe_dump_all(manifests))
    gateway = LocalGateway(folder, port)
    gateway.create_admin_key()
    with (tmp_path / "up.log").open("wb") as log:
        up = [COMMAND, "up", str(folder), "--listen", f"127.0.0.1:{port}", "--state", str(tmp_path / "state")]
        process = subprocess.Popen(up, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(lambda: _ready(port), what="the gateway ready", deadline=60)
            yield gateway
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            sys.stdout.write((tmp_path / "up.log").read_text())


def _ready(port: int) -> bool:
    try:
        return fetch(port, "GET", "/readyz").status == 200
    except OSError:
        return False


@pytest.fixture
def machine(gateway: LocalGateway, tmp_path: Path) -> ManagedMachine:
    folder = tmp_path / "machine"
    folder.mkdir()
    return ManagedMachine(install(), folder, managed_settings(gateway.url))


def test_sign_in_work_refusal_refresh_revocation_and_sign_out(
    machine: ManagedMachine, gateway: LocalGateway, provider: OpenIDProvider, upstream: AnthropicUpstream
) -> None:
    screen = sign_in(machine, provider, "alice", url=gateway.url)
    assert "For corp employees only." in screen

    answer = machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5")
    assert (answer.exit_code, answer.stdout.strip()) == (0, HELLO), answer
    assert upstream.last.header("x-api-key")
    assert login_of(machine)["jwt"] not in repr(upstream.last)

    denied = machine.run("-p", "Say hello", "--model", "claude-opus-5-5")
    assert denied.exit_code != 0
    assert upstream.last.json()["model"] == "claude-sonnet-5-5", "nothing of the denied model went on"

    before = login_of(machine)["jwt"]
    let_expire(machine)
    answer = machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5")
    assert (answer.exit_code, answer.stdout.strip()) == (0, HELLO), answer
    assert login_of(machine)["jwt"] != before, "renewed without a person"

    (session,) = gateway.session("list")["data"]
    assert session["email"] == "alice@corp.example"
    assert gateway.session("revoke", "--user", session["user"]) == {"revoked": 1}

    def refused() -> bool:
        header = [("authorization", f"Bearer {login_of(machine)['jwt']}")]
        return fetch(gateway.port, "GET", "/v1/models?limit=1000", headers=header).status == 401

    eventually(refused, what="the revoked session is refused", deadline=5)
    ended = machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5")
    assert ended.exit_code != 0, ended

    sign_in(machine, provider, "alice", url=gateway.url)
    answer = machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5")
    assert (answer.exit_code, answer.stdout.strip()) == (0, HELLO), answer


def test_an_application_of_the_agent_sdk_works_over_the_sign_in_of_its_machine(
    machine: ManagedMachine, gateway: LocalGateway, provider: OpenIDProvider, upstream: AnthropicUpstream
) -> None:
    sign_in(machine, provider, "dave", url=gateway.url)
    application = replace(machine, program=Path(sys.executable)).run("-c", APPLICATION)
    assert (application.exit_code, application.stdout.strip()) == (0, HELLO), application
    assert "agent-sdk/" in (upstream.last.header("user-agent") or "")


def test_who_left_the_company_is_out_at_the_next_renewal(
    machine: ManagedMachine, gateway: LocalGateway, provider: OpenIDProvider, upstream: AnthropicUpstream
) -> None:
    sign_in(machine, provider, "carol", url=gateway.url)
    assert machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5").exit_code == 0
    provider.remove("carol")
    let_expire(machine)
    upstream.begin_test()
    assert machine.run("-p", "Say hello", "--model", "claude-sonnet-5-5").exit_code != 0
    assert upstream.requests == []


def test_signing_out_ends_the_session_at_the_gateway(
    machine: ManagedMachine, gateway: LocalGateway, provider: OpenIDProvider
) -> None:
    sign_in(machine, provider, "bob", url=gateway.url)
    assert [each["revoked_at"] for each in gateway.session("list")["data"]] == [None]
    with machine.terminal() as terminal:
        terminal.choose("Yes, I trust these settings")
        terminal.leave("Choose the text style")
        terminal.leave("Press Enter to continue")
        terminal.choose("Yes, I trust this folder")
        terminal.wait_for("shift+tab to cycle", "for shortcuts")
        terminal.press("/logout", "Enter")
        eventually(
            lambda: all(each["revoked_at"] for each in gateway.session("list")["data"]),
            what="the session is over",
            deadline=30,
        )
