"""Addresses, limits and models (gateway cases 14, 15, 17, 25)."""

import pytest
from tests.gateway.cases.clients import Client
from tests.gateway.cases.gateways import CaseGateway, through
from tests.standins import claude_platform_aws, foundry
from tests.standins.manifests import cloud_binding, compiled, policy, secret, serving
from tests.standins.providers import COUNT, EVERY_TYPE, MESSAGES, MODEL, Anthropic, Provider
from tests.standins.raw_client import connect, request_bytes
from tests.standins.upstream import End

LIMIT = 32 * 1024 * 1024
"""Bytes of a request's body, unless the gateway says otherwise."""


def test_case_14_the_path_of_a_base_url_comes_before_the_providers_own(client: Client, stage: CaseGateway) -> None:
    with Anthropic(base_path="/behind/a/path") as provider:
        stage.use(provider)
        assert client.ask().status == 200
        assert provider.last.target == "/behind/a/path" + MESSAGES
        assert provider.problems == []


@through("Foundry")
def test_case_14_foundry_is_asked_at_its_anthropic_path_with_its_own_header(client: Client, provider: Provider) -> None:
    assert client.ask().status == 200
    assert provider.last.target == "/anthropic" + MESSAGES
    assert provider.last.all("x-api-key") == [foundry.API_KEY]
    assert {"authorization", "api-key"}.isdisjoint(provider.last.names)


def test_case_14_a_foundry_resource_has_the_address_of_its_name() -> None:
    room = {"resource": "corp-eu", "apiKeySecretRef": {"name": "foundry", "key": "value"}}
    manifests = serving(cloud_binding("foundry", "Foundry", foundry=room), secret("foundry", foundry.API_KEY))
    configuration = compiled(manifests).configuration
    assert configuration is not None
    assert [one.base_url for one in configuration.upstreams] == ["https://corp-eu.services.ai.azure.com/anthropic"]


@through("ClaudePlatformAWS")
def test_case_14_claude_platform_on_aws_is_asked_with_its_own_signature_and_workspace(
    client: Client, provider: Provider
) -> None:
    assert client.ask().status == 200
    assert "/aws-external-anthropic/aws4_request" in (provider.last.header("authorization") or "")
    assert provider.last.all("anthropic-workspace-id") == [claude_platform_aws.WORKSPACE]


@through(*EVERY_TYPE)
def test_case_15_32_mib_are_taken(client: Client, provider: Provider) -> None:
    body = client.body(metadata="x")
    body = body[:-1] + b', "pad": "' + b"x" * (LIMIT - len(body) - 11) + b'"}'
    assert len(body) == LIMIT
    assert client.ask(body).status == 200
    assert len(provider.last.body) > LIMIT - 1000


def test_case_15_more_is_413_in_json_before_the_body_is_read(client: Client, provider: Provider) -> None:
    with connect(client.gateway.port) as connection:
        headers = [*client.headers(), ("content-length", str(LIMIT + 1))]
        connection.send(request_bytes("POST", MESSAGES, headers))
        answer = connection.response()
    assert (answer.status, answer.error[0]) == (413, "request_too_large")
    assert provider.server.requests == []


@through(*EVERY_TYPE)
def test_case_17_the_upstream_counts_under_its_own_name_for_the_model(client: Client, provider: Provider) -> None:
    provider.server.respond = lambda request: provider.counts(1_190_003)
    answer = client.ask(client.body(model=f"{MODEL}[1m]"), target=COUNT)
    assert (answer.status, answer.json()) == (200, {"input_tokens": 1_190_003})
    assert provider.asked_for(provider.last) == provider.counted_model
    assert provider.last.target == provider.target(COUNT)
    assert client.line_of(answer).get("tokens") in (None, {}), "a count is no usage"


@through(*EVERY_TYPE)
def test_case_17_where_nobody_counts_it_is_501_and_no_guess(client: Client, provider: Provider) -> None:
    provider.server.respond = lambda request: provider.refuses(
        501, "not_supported", "no counting here", headers=[("x-should-retry", "false")]
    )
    answer = client.ask(target=COUNT)
    assert (answer.status, answer.error[0]) == (501, "not_supported")
    assert answer.header("x-should-retry") == "false"
    assert "input_tokens" not in answer.json()


@through("Bedrock")
def test_case_17_a_profile_that_names_no_foundation_model_is_501_unasked(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    """Tokens are counted by foundation models alone there."""
    stage.use(provider, binding={"models": [{"id": MODEL, "upstreamID": provider.other_model}]})
    answer = client.ask(target=COUNT)
    assert (answer.status, answer.error[0]) == (501, "not_supported")
    assert answer.header("x-should-retry") == "false"
    assert provider.server.requests == []
    assert client.ask().status == 200


@through(*EVERY_TYPE)
def test_case_17_a_count_that_fails_is_an_error_and_no_guess(client: Client, provider: Provider) -> None:
    provider.server.respond = lambda request: [End.RESET]
    answer = client.ask(target=COUNT)
    assert answer.status in (501, 502)
    assert "input_tokens" not in answer.json()


@pytest.fixture
def restricted(client: Client, provider: Provider, stage: CaseGateway) -> Client:
    """A client whose policy opens two models."""
    opened = ["claude-haiku-5-5", MODEL]
    stage.use(provider, policies=[policy("engineers", matches=[{"groups": ["engineering"]}], availableModels=opened)])
    return client


@pytest.mark.parametrize("credential", ["authorization", "x-api-key"])
def test_case_25_the_list_of_models_is_direct_and_of_the_caller(restricted: Client, credential: str) -> None:
    value = restricted.bearer if credential == "x-api-key" else f"Bearer {restricted.bearer}"
    answer = restricted.get("/v1/models?limit=1000", headers=[(credential, value)])
    assert answer.status == 200, "no redirect"
    listed = answer.json()
    assert sorted(each["id"] for each in listed["data"]) == ["claude-haiku-5-5", MODEL]
    assert listed["has_more"] is False


def test_case_25_the_list_asks_no_upstream(restricted: Client, provider: Provider) -> None:
    """So that it comes within the three seconds that the client waits, whatever state the upstreams are in."""
    provider.server.respond = lambda request: [End.RESET]
    assert restricted.get("/v1/models?limit=1000").status == 200
    assert provider.server.requests == []


@through(*EVERY_TYPE)
def test_case_25_one_long_context_suffix_is_stripped(restricted: Client, provider: Provider) -> None:
    assert restricted.ask(restricted.body(model=f"{MODEL}[1m]")).status == 200
    assert provider.asked_for(provider.last) == provider.model
    assert restricted.ask(restricted.body(model=f"{MODEL}[1m][1m]")).error[0] == "invalid_request_error"


@pytest.mark.parametrize("target", [MESSAGES, COUNT])
@through(*EVERY_TYPE)
def test_case_25_a_denied_model_is_400(restricted: Client, provider: Provider, target: str) -> None:
    answer = restricted.ask(restricted.body(model="claude-opus-5-5"), target=target)
    assert (answer.status, answer.error[0]) == (400, "invalid_request_error")
    assert MODEL in answer.error[1], "it names what may be used instead"
    assert provider.server.requests == []
