"""The built-in upstream speaks the Messages API well enough for the official SDK, and says that it is a demo."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from gateway_operator.local.demo_upstream import DemoUpstream

MODEL = "claude-haiku-5-5"
HELLO: list[Any] = [{"role": "user", "content": "Say hello"}]
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "days", "unit"],
    },
}


@pytest.fixture
async def upstream() -> AsyncIterator[DemoUpstream]:
    async with DemoUpstream(seconds_per_word=0).serving() as serving:
        serving.models = {MODEL}
        yield serving


@pytest.fixture
async def client(upstream: DemoUpstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key=upstream.credential, max_retries=0) as client:
        yield client


async def test_an_answer_says_that_it_is_a_demo(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model=MODEL, max_tokens=500, messages=HELLO)
    assert message.content[0].type == "text"
    assert message.content[0].text.startswith("This is the built-in demo upstream")
    assert '"Say hello"' in message.content[0].text
    assert message.stop_reason == "end_turn"


async def test_a_stream_adds_up_to_the_same_answer(client: anthropic.AsyncAnthropic) -> None:
    whole = await client.messages.create(model=MODEL, max_tokens=500, messages=HELLO)
    async with client.messages.stream(model=MODEL, max_tokens=500, messages=HELLO) as stream:
        pieces = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert len(pieces) > 10
    assert "".join(pieces) == whole.content[0].text  # type: ignore[union-attr]  # asserted above to be text
    assert message.usage.output_tokens == whole.usage.output_tokens
    assert message.usage.input_tokens == whole.usage.input_tokens


async def test_count_tokens_is_the_usage_of_the_answer(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model=MODEL, messages=HELLO, system="Be kind.")
    message = await client.messages.create(model=MODEL, max_tokens=500, messages=HELLO, system="Be kind.")
    assert counted.input_tokens == message.usage.input_tokens > 0


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}])
async def test_thinking_comes_when_asked_for(client: anthropic.AsyncAnthropic, thinking: Any) -> None:
    async with client.messages.stream(model=MODEL, max_tokens=2000, messages=HELLO, thinking=thinking) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature  # type: ignore[union-attr]  # a thinking block, as asserted


async def test_a_tool_goes_round(client: anthropic.AsyncAnthropic) -> None:
    messages: list[Any] = [{"role": "user", "content": "Use the tool get_weather, please"}]
    async with client.messages.stream(model=MODEL, max_tokens=500, messages=messages, tools=[WEATHER]) as stream:
        called = await stream.get_final_message()
    assert called.stop_reason == "tool_use"
    use = called.content[-1]
    assert use.type == "tool_use"
    assert use.input == {"city": "demo", "days": 1, "unit": "C"}
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    messages += [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    answered = await client.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[WEATHER])
    assert answered.stop_reason == "end_turn"
    assert '"sunny"' in answered.content[0].text  # type: ignore[union-attr]  # the answer to a result is text


async def test_the_prompt_may_spell_out_the_input_of_a_tool(client: anthropic.AsyncAnthropic) -> None:
    messages: list[Any] = [{"role": "user", "content": 'Call get_weather with {"city": "Oslo", "days": 3}'}]
    called = await client.messages.create(model=MODEL, max_tokens=500, messages=messages, tools=[WEATHER])
    assert called.content[-1].input == {"city": "Oslo", "days": 3}  # type: ignore[union-attr]  # a tool_use block


async def test_tools_that_nobody_asks_for_are_left_alone(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model=MODEL, max_tokens=500, messages=HELLO, tools=[WEATHER])
    assert message.stop_reason == "end_turn"


async def test_max_tokens_cuts_the_answer(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model=MODEL, max_tokens=5, messages=HELLO)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 5


async def test_a_schema_for_the_answer_is_filled(client: anthropic.AsyncAnthropic) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    message = await client.messages.create(
        model=MODEL,
        max_tokens=500,
        messages=HELLO,
        extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}},
    )
    assert message.content[0].text == '{"title": "demo"}'  # type: ignore[union-attr]  # text, by the schema


async def test_another_credential_is_refused(upstream: DemoUpstream) -> None:
    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            await stranger.messages.create(model=MODEL, max_tokens=5, messages=HELLO)


async def test_an_unknown_model_is_not_found(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-0"):
        await client.messages.create(model="claude-0", max_tokens=5, messages=HELLO)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"max_tokens": "many"}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content"),
        ({"messages": {"role": "user"}}, "messages: Field required"),
        ({"model": ""}, "model: Field required"),
    ],
)
async def test_a_bad_body_is_refused_in_the_envelope(
    client: anthropic.AsyncAnthropic, body: dict[str, Any], message: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=message) as caught:
        await client.messages.create(model=MODEL, max_tokens=5, messages=HELLO, extra_body=body)
    assert caught.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index,call-overload]  # the envelope
    assert caught.value.response.headers["request-id"].startswith("req_demo_")


async def test_odd_requests_are_never_a_server_error(client: anthropic.AsyncAnthropic) -> None:
    odd: list[dict[str, Any]] = [
        {"tools": "x"},
        {"tools": [1, {"name": 2}, {"name": "t", "input_schema": {"type": ["object"], "required": [1]}}]},
        {"tool_choice": {"type": "any"}, "tools": [{"name": "t", "input_schema": {"anyOf": [{"enum": []}]}}]},
        {"tool_choice": {"type": "tool", "name": "absent"}, "tools": [WEATHER]},
        {"thinking": "yes"},
        {"output_config": []},
        {"output_config": {"format": {"schema": {"type": {"a": 1}}}}},
        {"system": [{"type": "text", "text": "x"}], "messages": [{"role": "assistant", "content": "only me"}]},
        {"messages": [{"role": "user", "content": [1, None, {"type": "tool_result"}]}]},
    ]
    for body in odd:
        message = await client.messages.create(model=MODEL, max_tokens=500, messages=HELLO, extra_body=body)
        assert message.content
