"""What an answer is counted as, and that nothing of it is kept (gateway cases 19 to 22 and 29).

Budgets and prices stand on this: a counter of tokens for each upstream and model, an audit line for each request, and
one admission in front of every inference route.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.cases.clients import Client
from tests.gateway.cases.gateways import CaseGateway, through
from tests.standins import messages
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import policy
from tests.standins.providers import COUNT, EVERY_TYPE, MESSAGES, MODEL, Anthropic, Provider
from tests.standins.raw_client import Response, fetch
from tests.standins.upstream import Gate

MIB = 1024 * 1024
SAID = [event for event in messages.events(messages.text("x" * 4000)) if event != messages.PING]


def counted(gateway: Gateway, **labels: str) -> dict[str, float]:
    """By kind, what the meter says that was used."""
    kinds = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
    return {kind: gateway.metric("claude_gateway_tokens_total", kind=kind, **labels) for kind in kinds}


def used(gateway: Gateway, do: Callable[[], object], **labels: str) -> dict[str, float]:
    """What the meter says that `do` used, once it says that `do` used anything."""
    before = counted(gateway, **labels)
    do()
    after = eventually(lambda: (now := counted(gateway, **labels)) != before and now, what="tokens counted")
    return {kind: after[kind] - before[kind] for kind in before}


ONE_ANSWER = {
    "input": 25,
    "output": messages.OUTPUT_TOKENS,
    "cache_read": 4000,
    "cache_write_5m": 100,
    "cache_write_1h": 200,
}


def limited(stage: CaseGateway, provider: Provider, **limits: int) -> None:
    rule = policy("engineers", matches=[{"groups": ["engineering"]}], rateLimits=limits)
    stage.use(provider, policies=[rule])


@through(*EVERY_TYPE)
def test_case_19_a_stream_that_the_client_cancels_is_metered_by_what_was_sent(
    client: Client, provider: Provider
) -> None:
    head, *rest = provider.streams(SAID)
    provider.server.script(head, *rest[:3], Gate())

    def cancel() -> None:
        with client.begun() as stream:
            answer = stream.head()
            for _ in range(3):
                stream.event()
        line = client.line_of(answer)
        assert line["outcome"] == "client_gone"
        assert (line["tokens"]["input"], line["tokens"]["cache_read"]) == (25, 4000)
        assert 400 <= line["tokens"]["output"] <= 600, "about four characters are a token"

    assert 400 <= used(client.gateway, cancel)["output"] <= 600


@through(*EVERY_TYPE)
def test_case_19_its_upstream_stops_too(client: Client, provider: Provider) -> None:
    head, *rest = provider.streams(SAID)
    gate = Gate()
    provider.server.script(head, *rest[:3], gate)
    with client.begun() as stream:
        stream.head()
        gate.wait_until_reached()
    provider.server.wait_for(lambda: provider.last.hung_up_at is not None, what="its client leaving")


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "json"])
@through(*EVERY_TYPE)
def test_case_20_an_answer_is_counted_once_and_a_failed_attempt_not_at_all(
    client: Client, provider: Provider, stage: CaseGateway, streamed: bool
) -> None:
    """A stream tells its usage twice, and the first upstream fails."""
    with Anthropic("first") as first:
        stage.use(first, provider)
        first.server.respond = lambda request: first.overloaded()
        counts = used(client.gateway, lambda: client.ask(client.body(stream=streamed)))
        assert len(first.server.requests) == 1
    assert counts == ONE_ANSWER


def test_case_20_a_limit_holds_for_requests_that_come_at_once_to_all_pods(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    """What is in progress counts from its admission on, and the pods share the limit: nothing is checked first and
    counted later."""
    limited(stage, provider, openStreams=6)
    stage.wait_for_pods()
    gate = Gate()
    head, *rest = provider.streams(SAID)
    provider.server.respond = lambda request: [gate, head, *rest]

    def ask(number: int) -> Response:
        port = stage.pods[number % 2].port
        return fetch(port, "POST", MESSAGES, headers=client.headers(), body=client.body())

    with ThreadPoolExecutor(24) as threads:
        asked = [threads.submit(ask, number) for number in range(24)]
        eventually(lambda: sum(one.done() for one in asked) == 18, what="all but six refused")
        gate.open()
        statuses = sorted(one.result().status for one in asked)
    assert statuses == [200] * 6 + [429] * 18
    assert len(provider.server.requests) == 6


def test_case_20_a_reservation_is_settled_by_what_was_used(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    """By their estimates two requests do not fit into a minute; what the first one really took leaves room for more."""
    body = client.body(stream=False, max_tokens=500)
    estimate = len(body) // 4 + 500
    limited(stage, provider, tokensPerMinute=3 * estimate)
    stage.wait_for_pods()  # of which one's share is a half
    usage = {"input_tokens": 20, "output_tokens": 10}
    gate = Gate()
    provider.server.script(gate, *provider.answers(messages.message() | {"usage": usage}))
    provider.server.respond = lambda request: provider.answers(messages.message() | {"usage": usage})
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.ask, body)
        gate.wait_until_reached()
        assert client.ask(body).status == 429, "its estimate stands until its end"
        gate.open()
        assert first.result().status == 200
    eventually(lambda: client.ask(body).status == 200, what="the room given back")


@pytest.mark.parametrize("target", [MESSAGES, COUNT])
def test_case_21_every_inference_route_has_the_same_admission(
    client: Client, provider: Provider, stage: CaseGateway, target: str
) -> None:
    matches = [{"groups": ["engineering"]}]
    stage.use(
        provider, policies=[policy("few", matches=matches, availableModels=[MODEL], rateLimits={"openStreams": 2})]
    )
    stage.wait_for_pods()
    nobody = [one for one in client.headers() if one[0] != "authorization"]
    assert client.send(nobody, target=target).status == 401
    assert client.ask(client.body(model="claude-opus-5-5"), target=target).status == 400
    gate = Gate()
    provider.server.respond = lambda request: [gate, *provider.server.usual(request)]
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.ask, target=target)
        gate.wait_until_reached()
        refused = [client.ask(target=other) for other in (MESSAGES, COUNT)]
        gate.open()
        assert first.result().status == 200
    assert [answer.status for answer in refused] == [429, 429], "of two open requests, one is a pod's share"
    assert {client.line_of(answer)["reason"] for answer in refused} == {"OpenStreamsLimit"}
    assert client.line_of(first.result())["event"] == "inference"


@pytest.mark.parametrize("target", ["/v1/complete", "/v1/messages/batches", "/v1/messages/", "/v1/v1/messages", "/"])
def test_case_21_no_other_route_leads_to_an_upstream(client: Client, provider: Provider, target: str) -> None:
    assert client.ask(target=target).status in (404, 405)
    assert provider.server.requests == []


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "json"])
@through(*EVERY_TYPE)
def test_case_21_every_form_of_an_answer_is_counted(client: Client, provider: Provider, streamed: bool) -> None:
    assert used(client.gateway, lambda: client.ask(client.body(stream=streamed))) == ONE_ANSWER


CUSTOM = "claude-internal-1"


@through(*EVERY_TYPE)
def test_case_22_a_model_of_no_list_is_counted_under_its_binding_and_name(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    """An unlisted model, reached by an upstream's id of its own, has the counts that a price may be put to."""
    models = [{"id": CUSTOM, "upstreamID": provider.other_model}]
    stage.use(provider, binding={"models": models}, models={"custom": [{"id": CUSTOM}]})
    labels = {"upstream": f"claude/{provider.name}", "model": CUSTOM}
    counts = used(client.gateway, lambda: client.ask(client.body(model=CUSTOM)), **labels)
    assert counts == ONE_ANSWER
    assert provider.asked_for(provider.last) == provider.other_model


@through(*EVERY_TYPE)
def test_case_22_an_answer_without_usage_is_not_free(client: Client, provider: Provider) -> None:
    answer = {name: value for name, value in messages.message().items() if name != "usage"}
    provider.server.script(*provider.answers(answer))
    counts = used(client.gateway, lambda: client.ask(client.body(stream=False)))
    assert counts["output"] > 0


PROMPT, THOUGHT, ANSWER, TOOL = (
    "heliotrope-prompt-71",
    "heliotrope-thought-72",
    "heliotrope-answer-73",
    "heliotrope-tool-74",
)


@through(*EVERY_TYPE)
def test_case_29_nothing_of_what_was_said_is_kept_anywhere(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    said: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
    tools = [{"name": TOOL, "input_schema": {"type": "object"}}]
    body = client.body(messages=said, tools=tools)
    provider.server.script(*provider.streams(messages.events(messages.thinking(THOUGHT), messages.text(ANSWER))))
    answers = [client.ask(body)]
    assert b"heliotrope-" in answers[0].body, "the client got it"
    # Where a token stands for the upstream's own words, these are in the log, for the operator alone.
    refusal = f"messages.0: {PROMPT}"
    script, told = provider.rejects(refusal, "thinking_signature")
    if told == refusal:
        provider.server.script(*script)
        answers.append(client.ask(body))
    answers.append(client.ask(body[:-9]))
    answers.append(client.ask(body.replace(MODEL.encode(), b"no-such-model")))
    answers.append(client.ask(body, target=COUNT))
    for answer in answers:
        client.line_of(answer)
    written = [path for path in Path(stage.folder).rglob("*") if path.is_file()]
    assert any(path.stat().st_size for path in written), "the store and the logs are among them"
    pages = [client.gateway.metrics_text().encode(), repr(client.gateway.status()).encode()]
    for text in [*(path.read_bytes() for path in written), *pages]:
        assert b"heliotrope-" not in text


@through("Anthropic", "Bedrock")
def test_case_29_of_a_long_answer_only_what_the_client_takes_is_on_its_way(client: Client, provider: Provider) -> None:
    """No queue grows behind a client that does not read."""
    piece = messages.event("content_block_delta", {"type": "content_block_delta", "delta": {"text": "y" * MIB}})
    head, part, *_ = provider.streams([piece])
    provider.server.script(head, *[part] * 200)
    before = client.gateway.resident_bytes()
    with client.begun() as stream:
        stream.head()
        provider.server.wait_for(provider.server.blocked.is_set, what="its client not reading")
        assert provider.server.bytes_sent < 60 * MIB
        assert client.gateway.resident_bytes() - before < 40 * MIB
