"""The official SDK of each provider, straight to it, and Anthropic's SDK through the gateway: for the same input the
upstream receives the same request, but for the differences that stand here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import boto3
import pytest
from tests.client.sdk_requests import INPUTS, Asked, Difference, Input, asked
from tests.standins import anthropic_upstream, bedrock, claude_platform_aws, foundry, vertex_ai
from tests.standins.aws_requests import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.standins.gateway import Gateway
from tests.standins.manifests import serving
from tests.standins.providers import EVERY_TYPE, MODEL, PROVIDERS, Provider

SDK = dict[str, Any]
CLIENTS: dict[str, Callable[[Provider], Any]] = {
    "Anthropic": lambda provider: anthropic.Anthropic(
        base_url=provider.server.url, api_key=anthropic_upstream.API_KEY, max_retries=0
    ),
    "Bedrock": lambda provider: anthropic.AnthropicBedrock(
        base_url=provider.server.url,
        aws_region=bedrock.REGION,
        aws_access_key=ACCESS_KEY_ID,
        aws_secret_key=SECRET_ACCESS_KEY,
        max_retries=0,
    ),
    "ClaudePlatformAWS": lambda provider: anthropic.AnthropicAWS(
        base_url=provider.server.url,
        aws_region=claude_platform_aws.REGION,
        aws_access_key=ACCESS_KEY_ID,
        aws_secret_key=SECRET_ACCESS_KEY,
        workspace_id=claude_platform_aws.WORKSPACE,
        max_retries=0,
    ),
    "VertexAI": lambda provider: anthropic.AnthropicVertex(
        base_url=f"{provider.server.url}/v1",
        project_id=vertex_ai.PROJECT,
        region=vertex_ai.REGION,
        access_token="ya29.of-the-sdk",
        max_retries=0,
    ),
    "Foundry": lambda provider: anthropic.AnthropicFoundry(
        base_url=f"{provider.server.url}/anthropic", api_key=foundry.API_KEY, max_retries=0
    ),
}
"""The provider's SDK, as a program would use it without a gateway."""


def _key_in_its_own_header(request: Asked) -> None:
    request.credential = [one.replace("authorization: Bearer ", "x-api-key: ") for one in request.credential]


def _one_key(request: Asked) -> None:
    request.credential = [one for one in request.credential if not one.startswith("api-key:")]


def _client_version(request: Asked) -> None:
    request.headers["anthropic-version"] = "2026-10-21"


def _body_version(version: str) -> Callable[[Asked], None]:
    def change(request: Asked) -> None:
        assert request.body["anthropic_version"] == "2026-10-21"
        request.body["anthropic_version"] = version

    return change


def _no_beta_header(request: Asked) -> None:
    assert request.betas == request.body.get("anthropic_beta", [])
    request.betas = []


def _profile_in_its_header(request: Asked) -> None:
    if "user_profile_id" in request.body:
        request.headers["anthropic-user-profile-id"] = request.body.pop("user_profile_id")


DIFFERENCES: dict[str, tuple[Difference, ...]] = {
    "Anthropic": (
        Difference("the API documents `x-api-key` for a key; the SDK sends it as a bearer", _key_in_its_own_header),
    ),
    "Bedrock": (
        Difference(
            "the version that all models know; the SDK's is for the newest", _body_version("bedrock-2023-05-31")
        ),
        Difference("the client's version header goes along; the body's is what counts here", _client_version),
        Difference("betas stand in the body, where Bedrock reads them, and not in a header besides", _no_beta_header),
        Difference("a profile stands in its header, as at the other clouds", _profile_in_its_header),
    ),
    "ClaudePlatformAWS": (),
    "VertexAI": (
        Difference("the version that all models know; the SDK's is for the newest", _body_version("vertex-2023-10-16")),
        Difference("the client's version header goes along; the body's is what counts here", _client_version),
    ),
    "Foundry": (Difference("a resource documents `x-api-key`; the SDK sends `api-key` too, for older ones", _one_key),),
}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", params=EVERY_TYPE)
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with PROVIDERS[request.param]() as provider:
        yield provider


@pytest.fixture
def through(shared_gateway: Gateway, provider: Provider) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK at a gateway in front of the provider."""
    shared_gateway.begin_test(serving(*provider.manifests(), **provider.spec))
    with anthropic.Anthropic(base_url=shared_gateway.url, auth_token=shared_gateway.key(), max_retries=0) as client:
        yield client
    shared_gateway.end_test()


def request_of(provider: Provider, client: Any, given: Input, model: str) -> Asked:
    provider.begin_test()
    given.ask(client, model)
    (request,) = provider.server.requests
    return asked(request)


def inputs_for(provider: Provider) -> list[Input]:
    """Those that its SDK takes."""
    return [given for given in INPUTS.values() if not (given.counts and provider.provider_type == "Bedrock")]


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS.keys())
def test_the_upstream_receives_the_same_request(provider: Provider, through: anthropic.Anthropic, given: Input) -> None:
    with CLIENTS[provider.provider_type](provider) as client:
        if given not in inputs_for(provider):
            with pytest.raises((anthropic.AnthropicError, AttributeError), match=r"not supported|count_tokens"):
                given.ask(client, provider.model)
            return
        expected = request_of(provider, client, given, provider.model)
    for difference in DIFFERENCES[provider.provider_type]:
        expected = difference.applied(expected)
    assert request_of(provider, through, given, MODEL) == expected
    assert provider.problems == []


def test_every_difference_is_one(provider: Provider) -> None:
    """What stands in the list and is no difference any more leaves it."""
    with CLIENTS[provider.provider_type](provider) as client:
        seen = [request_of(provider, client, given, provider.model) for given in inputs_for(provider)]
    for difference in DIFFERENCES[provider.provider_type]:
        after = [difference.applied(request) for request in seen]
        assert after != seen, difference.reason
        seen = after


def test_bedrock_is_asked_for_a_count_as_by_aws_s_own_sdk(shared_gateway: Gateway) -> None:
    """Anthropic's does not count there."""
    with PROVIDERS["Bedrock"]() as provider:
        shared_gateway.begin_test(serving(*provider.manifests()))
        with anthropic.Anthropic(base_url=shared_gateway.url, auth_token=shared_gateway.key()) as client:
            ours = request_of(provider, client, INPUTS["a count"], MODEL)
        assert provider.problems == []
        provider.begin_test()
        inner = base64.b64decode(ours.body["input"]["invokeModel"]["body"])
        aws = boto3.client(
            "bedrock-runtime",
            endpoint_url=provider.server.url,
            region_name=bedrock.REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )
        answer = aws.count_tokens(modelId=provider.counted_model, input={"invokeModel": {"body": inner}})
        assert answer["inputTokens"] == 1190
        theirs = asked(provider.last)
    assert json.loads(inner)["messages"] == INPUTS["a count"].given["messages"]
    assert (ours.method, ours.path, ours.query, ours.body) == (theirs.method, theirs.path, theirs.query, theirs.body)
    assert ours.credential == theirs.credential
