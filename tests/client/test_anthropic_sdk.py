"""The official `anthropic` SDK, pointed at the gateway with a developer key."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import ToolParam
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, stream
from tests.standins.gateway import ALICE, Gateway
from tests.standins.manifests import developer_key, key_of, policy, smallest

ASKED: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello"}],
}
BOB = "bob@corp.example"
WEATHER: ToolParam = {
    "name": "weather",
    "description": "Tells the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(params=["api_key", "auth_token"])
def sdk(request: pytest.FixtureRequest, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Anthropic]:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    credential: dict[str, Any] = {request.param: gateway.key()}
    with Anthropic(base_url=gateway.url, max_retries=0, **credential) as client:
        yield client


@pytest.fixture
def bob(gateway: Gateway, upstream: AnthropicUpstream) -> Iterator[Anthropic]:
    """A caller who may use one model."""
    only_haiku = policy("contractors", matches=[{"users": [BOB]}], availableModels=["claude-haiku-5-5"])
    gateway.load(smallest(upstream.url, only_haiku, developer_key(BOB)))
    with Anthropic(base_url=gateway.url, max_retries=0, auth_token=key_of(BOB)) as client:
        yield client


def test_a_message(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    answer = sdk.messages.create(**ASKED)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Hello from the upstream."
    assert answer.usage.cache_creation is not None
    assert answer.usage.cache_creation.ephemeral_1h_input_tokens == 200
    assert upstream.last.json()["messages"] == ASKED["messages"]


def test_a_stream(sdk: Anthropic) -> None:
    with sdk.messages.stream(**ASKED) as streamed:
        assert "".join(streamed.text_stream) == "Hello from the upstream."
        final = streamed.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", messages.OUTPUT_TOKENS)


async def test_a_message_and_a_stream_asynchronously(gateway: Gateway) -> None:
    async with AsyncAnthropic(base_url=gateway.url, auth_token=gateway.key(), max_retries=0) as client:
        answer = await client.messages.create(**ASKED)
        assert answer.content[0].type == "text"
        async with client.messages.stream(**ASKED) as streamed:
            parts = [part async for part in streamed.text_stream]
        assert len(parts) > 1
        assert "".join(parts) == answer.content[0].text


def test_thinking_and_a_tool_call_keep_their_order(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    called = messages.tool_use("weather", {"city": "Ulm", "days": 3})
    upstream.script(*stream(messages.events(messages.thinking("Look it up."), messages.text("One moment."), called)))
    with sdk.messages.stream(**ASKED, tools=[WEATHER]) as streamed:
        final = streamed.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
    assert final.content[2].type == "tool_use"
    assert final.content[2].input == {"city": "Ulm", "days": 3}
    assert final.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": called["id"], "content": "rain"}
    history = [
        *ASKED["messages"],
        {"role": "assistant", "content": [block.to_dict() for block in final.content]},
        {"role": "user", "content": [result]},
    ]
    sdk.messages.create(**ASKED | {"messages": history}, tools=[WEATHER])
    assert upstream.last.json()["messages"] == history


def test_counting_tokens_asks_the_upstream(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    counted = sdk.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])
    assert counted.input_tokens == 1190
    assert upstream.last.path == "/v1/messages/count_tokens"


def test_the_model_list_is_what_the_caller_may_use(sdk: Anthropic, bob: Anthropic) -> None:
    assert [model.id for model in bob.models.list()] == ["claude-haiku-5-5"]
    everything = [model.id for model in sdk.models.list(limit=1000)]
    assert {"claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"} <= set(everything)


def test_unknown_fields_and_betas_pass(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    sdk.messages.create(
        **ASKED, extra_body={"field_of_next_year": {"a": 1.0}}, extra_headers={"anthropic-beta": "beta-of-next-year"}
    )
    assert b'"field_of_next_year"' in upstream.last.body
    assert upstream.last.header("anthropic-beta") == "beta-of-next-year"


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (413, "request_too_large", anthropic.RequestTooLargeError),
        (422, "invalid_request_error", anthropic.UnprocessableEntityError),
        (429, "rate_limit_error", anthropic.RateLimitError),
    ],
)
def test_an_error_of_the_upstream_is_the_same_error_here(
    sdk: Anthropic, upstream: AnthropicUpstream, status: int, kind: str, error: type[anthropic.APIStatusError]
) -> None:
    upstream.script(framing.error_answer(status, kind, "words of the upstream", headers=[("retry-after", "7")]))
    with pytest.raises(error, match="words of the upstream") as caught:
        sdk.messages.create(**ASKED)
    assert caught.value.response.headers["retry-after"] == "7"


def refuse_model(client: Anthropic, gateway: Gateway) -> None:
    client.messages.create(**ASKED)


def refuse_key(client: Anthropic, gateway: Gateway) -> None:
    client.with_options(auth_token="cgk_wrong").messages.create(**ASKED)


def refuse_path(client: Anthropic, gateway: Gateway) -> None:
    client.messages.batches.list()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (refuse_model, anthropic.BadRequestError, "claude-haiku-5-5"),
        (refuse_key, anthropic.AuthenticationError, "key is not known"),
        (refuse_path, anthropic.NotFoundError, "no such path"),
    ],
)
def test_a_refusal_of_ours_is_the_sdk_s_exception(
    bob: Anthropic,
    gateway: Gateway,
    call: Callable[[Anthropic, Gateway], None],
    error: type[anthropic.APIStatusError],
    words: str,
) -> None:
    with pytest.raises(error, match=words) as caught:
        call(bob, gateway)
    assert caught.value.request_id == caught.value.body["request_id"]  # type: ignore[index] # our envelope


def test_a_caller_without_a_policy_is_denied(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    others = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
    gateway.load([*others, policy("engineers", matches=[{"groups": ["nobody-is-here"]}])])
    with (
        Anthropic(base_url=gateway.url, auth_token=key_of(ALICE), max_retries=0) as client,
        pytest.raises(anthropic.PermissionDeniedError),
    ):
        client.messages.create(**ASKED)


def test_a_dead_upstream_is_a_server_error(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    upstream.respond = lambda request: [End.RESET]
    with pytest.raises(anthropic.InternalServerError, match=r"all upstreams failed \(1 attempted\)"):
        sdk.messages.create(**ASKED)


def test_a_stream_that_breaks_off_raises(sdk: Anthropic, upstream: AnthropicUpstream) -> None:
    events = messages.events()
    upstream.script(framing.stream_head(), *(framing.chunk(event) for event in events[:5]), End.CLOSE)
    with pytest.raises(anthropic.APIStatusError, match="broke off"), sdk.messages.stream(**ASKED) as streamed:
        streamed.until_done()


def test_the_sdk_s_own_retry_reaches_the_next_answer(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.script(framing.error_answer(529, "overloaded_error", "busy", headers=[("retry-after-ms", "1")]))
    with Anthropic(base_url=gateway.url, auth_token=gateway.key(), max_retries=1) as client:
        answer = client.messages.create(**ASKED)
    assert answer.stop_reason == "end_turn"
    assert len(upstream.requests) == 2
