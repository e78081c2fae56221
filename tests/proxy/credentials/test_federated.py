"""Anthropic's workload identity federation, against a stand-in of its token endpoint and beside the official SDK."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from anthropic.lib.credentials import exchange_federation_assertion
from tests.proxy.waiting import until
from tests.standins.token_endpoints.anthropic import AnthropicTokens, Rule
from tests.standins.token_endpoints.server import TokenServer

from gateway_config.upstream_credentials import FederatedCredential
from gateway_proxy.credentials.federated import federated_token
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.upstream.errors import CredentialError

ORGANIZATION = "6f1d1b7a-2a0e-4b0a-9c67-000000000001"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.assertion-canary.c2ln"
BASE = "https://api.anthropic.com"


@pytest.fixture
def service(tokens: TokenServer) -> AnthropicTokens:
    return tokens.add(AnthropicTokens({"fdrl_1": Rule(ORGANIZATION, "svac_1", TOKEN)}))


@pytest.fixture
def credential(tmp_path: Path) -> FederatedCredential:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return FederatedCredential(
        organization_id=ORGANIZATION, federation_rule_id="fdrl_1", service_account_id="svac_1", token_file=str(file)
    )


async def failure(outbound: Outbound, credential: FederatedCredential) -> str:
    with pytest.raises(CredentialError) as caught:
        await federated_token(credential, base_url=BASE, outbound=outbound).get()
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_the_pods_token_is_exchanged(
    tokens: TokenServer, outbound: Outbound, service: AnthropicTokens, credential: FederatedCredential
) -> None:
    renewing = federated_token(credential, base_url=BASE, outbound=outbound)
    assert await renewing.get() == b"authorization: Bearer sk-ant-oat01-federated-canary-1"
    assert renewing.expires_at == pytest.approx(time.time() + 3600, abs=30)
    assert tokens.connects == ["api.anthropic.com:443"]
    assert service.problems == []


@pytest.mark.parametrize("workspace", [None, "wrkspc_1"])
async def test_it_is_the_request_of_the_official_sdk(
    tokens: TokenServer, outbound: Outbound, credential: FederatedCredential, workspace: str | None
) -> None:
    rules = {"fdrl_1": Rule(ORGANIZATION, "svac_1", TOKEN, workspace)}
    host = tokens.url.removeprefix("http://")
    service = tokens.add(AnthropicTokens(rules, host=host))
    credential = credential.model_copy(update={"workspace_id": workspace})
    assert await federated_token(credential, base_url=tokens.url, outbound=outbound).get()
    await asyncio.to_thread(
        exchange_federation_assertion,
        assertion=TOKEN,
        federation_rule_id="fdrl_1",
        organization_id=ORGANIZATION,
        service_account_id="svac_1",
        workspace_id=workspace,
        base_url=tokens.url,
    )
    ours, theirs = service.asked
    assert ours.json() == theirs.json()
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    names = ("content-type", "anthropic-beta")
    assert [ours.header(name) for name in names] == [theirs.header(name) for name in names]
    assert service.problems == []


async def test_the_token_is_read_anew_at_each_exchange(
    outbound: Outbound, service: AnthropicTokens, credential: FederatedCredential
) -> None:
    service.seconds = 2
    renewing = federated_token(credential, base_url=BASE, outbound=outbound)
    assert await renewing.get()
    Path(credential.token_file).write_text("another-token")
    service.rules["fdrl_1"].assertion = "another-token"
    await until(lambda: renewing.counts.renewals >= 2)
    assert renewing.counts.failures == 0


async def test_a_file_that_the_environment_names_wins(
    outbound: Outbound,
    service: AnthropicTokens,
    credential: FederatedCredential,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other"
    other.write_text("token-of-the-environment")
    service.rules["fdrl_1"].assertion = "token-of-the-environment"
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN_FILE", str(other))
    assert await federated_token(credential, base_url=BASE, outbound=outbound).get()


async def test_refusals_are_told_with_their_code_and_the_way_out(
    outbound: Outbound, service: AnthropicTokens, credential: FederatedCredential
) -> None:
    Path(credential.token_file).write_text("other-canary")
    assert await failure(outbound, credential) == (
        "the Anthropic token of service account svac_1: api.anthropic.com says invalid_grant (status 401, The "
        "assertion does not match the rule): let the federation rule match the issuer, the audience and the service "
        "account of the pod's token; the Console's page on workload identity shows what came"
    )
    Path(credential.token_file).write_text("")
    assert "holds no token" in await failure(outbound, credential)
    Path(credential.token_file).unlink()
    assert f"the pod's token {credential.token_file} cannot be read" in await failure(outbound, credential)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>welcome</html>", "holds no token, or not how long it is good for"),
        (200, b"[]", "holds no token"),
        (200, b'{"access_token": "a"}', "not how long it is good for"),
        (200, b'{"access_token": "a b", "expires_in": 60}', "what came as a token is none"),
        (200, b'{"access_token": 7, "expires_in": 60}', "what came as a token is none"),
        (200, b'{"expires_in": 60}', "what came as a token is none"),
        (200, b'{"access_token": "a", "expires_in": 1e999}', "not how long it is good for"),
        (200, b'{"access_token": "a", "expires_in": 0}', "expired already"),
        (200, b" " * 100_000, "longer than"),
        (529, b"{}", "says status 529"),
        (
            401,
            json.dumps({"type": "error", "error": {"type": "authentication_error", "message": f"no {TOKEN}"}}).encode(),
            "says authentication_error (status 401, no [masked]): let the federation rule match",
        ),
    ],
)
async def test_answers_that_are_no_answers(
    outbound: Outbound,
    service: AnthropicTokens,
    credential: FederatedCredential,
    status: int,
    body: bytes,
    said: str,
) -> None:
    service.fails = lambda asked: (status, body)
    assert said in await failure(outbound, credential)
