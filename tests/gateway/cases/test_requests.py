"""What becomes of a request on its way to an upstream (gateway cases 1 to 8, 26 and 28)."""

import json
from typing import Any

import pytest
from tests.gateway.cases.clients import BILLING, Client
from tests.gateway.cases.gateways import CaseGateway, through
from tests.standins import messages
from tests.standins.providers import EVERY_TYPE, MESSAGES_API, MODEL, Provider

OLDER = ("Bedrock", "VertexAI")
"""Types whose upstreams take less than the Messages API does."""
FUTURE_BETA = "beta-of-next-year-2027-01-01"
TOOLS_BETA, SEARCH_BETA = "advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"
"""The client's, which neither Bedrock nor Vertex AI takes, and what Bedrock has in its place."""


def arriving(client: Client, provider: Provider, *more: str) -> list[str]:
    """The client's betas and those besides, as this type of provider gets them."""
    betas = [*client.betas, *more]
    if provider.provider_type not in OLDER or TOOLS_BETA not in betas:
        return betas
    kept = [beta for beta in betas if beta != TOOLS_BETA]
    return [*kept, SEARCH_BETA] if provider.provider_type == "Bedrock" else kept


@through(*MESSAGES_API)
def test_case_01_betas_go_to_an_upstream_of_anthropics_format_as_they_came(client: Client, provider: Provider) -> None:
    betas = [*client.betas, FUTURE_BETA]
    assert client.ask(betas=betas).status == 200
    assert provider.last.all("anthropic-beta") == [",".join(betas)]
    assert provider.last.body == client.body()


@through("Bedrock")
def test_case_01_bedrock_has_them_as_an_array_in_the_body(client: Client, provider: Provider) -> None:
    assert client.ask(betas=[*client.betas, FUTURE_BETA]).status == 200
    assert provider.last.header("anthropic-beta") is None
    assert provider.last.json()["anthropic_beta"] == arriving(client, provider, FUTURE_BETA)


@through("VertexAI")
def test_case_01_vertex_has_them_as_one_list_in_the_header(client: Client, provider: Provider) -> None:
    assert client.ask(betas=[*client.betas, FUTURE_BETA]).status == 200
    assert provider.last.all("anthropic-beta") == [",".join(arriving(client, provider, FUTURE_BETA))]
    assert "anthropic_beta" not in provider.last.json()


@through(*EVERY_TYPE)
def test_case_01_one_that_the_upstream_does_not_take_is_cut_by_the_bindings_data_with_its_field(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    """For the model that the data name, and for no other."""
    for model, cut in ((MODEL, True), ("claude-opus-5-5", False)):
        drop = {"betas": [FUTURE_BETA], "fields": ["field_of_next_year"], "models": [model]}
        stage.use(provider, binding={"requestFilters": {"drop": [drop]}})
        body = client.body(field_of_next_year={"a": 1.0}, z=[1])
        assert client.ask(body, betas=[FUTURE_BETA, *client.betas]).status == 200
        arrived = provider.value(provider.last)
        assert (FUTURE_BETA in provider.betas(provider.last), "field_of_next_year" in arrived) == (not cut, not cut)
        assert set(arriving(client, provider)) <= set(provider.betas(provider.last))
        assert {name: arrived[name] for name in ("messages", "system", "tools", "z")} == {
            name: json.loads(body)[name] for name in ("messages", "system", "tools", "z")
        }


@through(*EVERY_TYPE)
def test_case_02_context_management_and_effort_arrive_with_their_betas(client: Client, provider: Provider) -> None:
    assert client.ask().status == 200
    arrived = provider.value(provider.last)
    for member in ("output_config", "context_management"):
        assert arrived.get(member) == client.value().get(member)
    assert {"effort-2025-11-24", *arriving(client, provider)} <= set(provider.betas(provider.last))


@through(*EVERY_TYPE)
def test_case_02_where_the_upstream_lacks_one_field_and_beta_go_together(
    client: Client, provider: Provider, stage: CaseGateway
) -> None:
    drop = [
        {"betas": ["effort-2025-11-24"], "fields": ["output_config.effort"]},
        {"betas": ["context-management-2025-06-27"], "fields": ["context_management"]},
    ]
    stage.use(provider, binding={"requestFilters": {"drop": drop}})
    assert client.ask(client.body(output_config={"effort": "high", "format": None})).status == 200
    arrived = provider.value(provider.last)
    assert "context_management" not in arrived
    assert arrived["output_config"] == {"format": None}
    gone = {"effort-2025-11-24", "context-management-2025-06-27"}
    assert provider.betas(provider.last) == [name for name in arriving(client, provider) if name not in gone]


@through(*OLDER)
def test_case_02_with_a_model_that_is_older_effort_goes_by_itself(client: Client, provider: Provider) -> None:
    assert client.ask(client.body(model="claude-haiku-4-5-20251001")).status == 200
    assert "effort" not in provider.value(provider.last).get("output_config", {})
    assert "effort-2025-11-24" not in provider.betas(provider.last)
    assert client.ask().status == 200
    assert provider.value(provider.last)["output_config"] == {"effort": "medium"}


@through(*OLDER)
def test_case_03_only_those_parts_of_cache_control_go_that_the_upstream_lacks(
    client: Client, provider: Provider
) -> None:
    """Those of blocks stay, and so does `ttl`."""
    cached = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "x", "cache_control": cached | {"scope": "global"}}]
    said = [{"role": "user", "content": [{"type": "text", "text": "scope", "cache_control": {"type": "ephemeral"}}]}]
    body = client.body(cache_control={"type": "ephemeral"}, system=system, messages=said)
    assert client.ask(body).status == 200
    arrived = provider.value(provider.last)
    assert "cache_control" not in arrived
    assert arrived["system"] == [{"type": "text", "text": "x", "cache_control": cached}]
    assert arrived["messages"] == said


@through(*MESSAGES_API)
def test_case_03_every_part_of_cache_control_goes_where_it_is_known(client: Client, provider: Provider) -> None:
    cached = {"type": "ephemeral", "ttl": "1h", "scope": "global"}
    body = client.body(
        cache_control={"type": "ephemeral"}, system=[{"type": "text", "text": "x", "cache_control": cached}]
    )
    assert client.ask(body).status == 200
    assert provider.last.body == body


@through(*EVERY_TYPE)
def test_case_04_tool_search_reaches_the_upstream_in_the_native_body(client: Client, provider: Provider) -> None:
    tools = [
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search"},
        {"name": "weather", "input_schema": {"type": "object"}, "defer_loading": True},
    ]
    assert client.ask(client.body(tools=tools)).status == 200
    assert provider.value(provider.last)["tools"] == tools
    assert "converse" not in provider.last.target


@pytest.mark.parametrize(
    "changes",
    {
        "a system message among the messages": {"messages": [{"role": "system", "content": "Be brief."}]},
        "a new shape of thinking": {"thinking": {"type": "of_next_year", "budget": {"soft": 1}}},
        "a tool reference": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": [{"type": "tool_reference", "tool_name": "x"}],
                        }
                    ],
                }
            ]
        },
        "fields that nobody knows": {"field_of_next_year": {"a": [None, 1e400]}, "speed": 7, "service_tier": []},
    }.items(),
    ids=lambda named: str(named[0]),
)
@through(*EVERY_TYPE)
def test_case_05_the_gateway_has_no_schema_of_its_own(
    client: Client, provider: Provider, changes: tuple[str, dict[str, Any]]
) -> None:
    body = client.body(**changes[1]).replace(b"Infinity", b"1e400")
    assert client.ask(body).status == 200
    sent = json.loads(body)
    arrived = provider.value(provider.last)
    assert {name: arrived[name] for name in changes[1]} == {name: sent[name] for name in changes[1]}


SAFEGUARDS = {"dangerous_tool_use": {"enabled": True}}
SAFEGUARDS_BETA = "dangerous-tool-use-2026-09-03"


@through(*EVERY_TYPE)
def test_case_06_safeguards_pass_with_their_beta_and_their_results_come_back(
    client: Client, provider: Provider
) -> None:
    results = {"dangerous_tool_use": {"verdict": "allow"}}
    provider.server.script(*provider.answers(messages.message() | {"safeguard_results": results}))
    answer = client.ask(client.body(safeguards=SAFEGUARDS, stream=False), betas=[*client.betas, SAFEGUARDS_BETA])
    assert answer.json()["safeguard_results"] == results
    assert provider.value(provider.last)["safeguards"] == SAFEGUARDS
    assert SAFEGUARDS_BETA in provider.betas(provider.last)


@pytest.mark.parametrize("named", ["by the body", "by the beta"])
def test_case_06_or_they_are_refused_by_name(
    client: Client, provider: Provider, stage: CaseGateway, named: str
) -> None:
    stage.use(provider, safeguards="Refuse")
    if named == "by the body":
        answer = client.ask(client.body(safeguards=SAFEGUARDS))
    else:
        answer = client.ask(betas=[*client.betas, SAFEGUARDS_BETA])
    kind, message = answer.error
    assert (answer.status, kind) == (400, "invalid_request_error")
    assert "safeguards" in message
    assert provider.server.requests == []
    assert client.ask().status == 200, "what does not name them is answered"


THOUGHT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "first", "signature": "Zmlyc3Q="},
    {"type": "redacted_thinking", "data": "aGlkZGVu"},
    {"type": "thinking", "thinking": "", "signature": "c2Vjb25k"},
    {"type": "text", "text": "So it is."},
]


@through(*EVERY_TYPE)
def test_case_07_thinking_keeps_its_order_and_nothing_is_put_beside_it(client: Client, provider: Provider) -> None:
    history = [{"role": "assistant", "content": THOUGHT}, {"role": "user", "content": "Go on."}]
    body = client.body(messages=history)
    assert client.ask(body).status == 200
    arrived = provider.value(provider.last)
    assert arrived["messages"] == history
    assert arrived["system"] == client.value()["system"]
    written = json.dumps(THOUGHT, separators=(" , ", " : ")).encode()
    assert written in provider.last.body, "to the byte"


INVALID_SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"


@through(*EVERY_TYPE)
def test_case_07_an_invalid_signature_is_told_in_words_that_the_client_knows(
    client: Client, provider: Provider
) -> None:
    script, told = provider.rejects(INVALID_SIGNATURE, "thinking_signature")
    provider.server.script(*script)
    answer = client.ask()
    assert (answer.status, answer.error) == (400, ("invalid_request_error", told))


def test_case_07_and_by_the_anthropic_api_in_its_own_bytes(client: Client, provider: Provider) -> None:
    script = provider.refuses(400, "invalid_request_error", INVALID_SIGNATURE)
    provider.server.script(*script)
    answer = client.ask()
    assert isinstance(script[0], bytes)
    assert script[0].endswith(b"\r\n\r\n" + answer.body)


@through(*EVERY_TYPE)
def test_case_08_the_billing_block_stays_the_first_and_as_it_was(client: Client, provider: Provider) -> None:
    for _ in range(2):
        assert client.ask().status == 200
    for request in provider.server.requests:
        system = provider.value(request)["system"]
        assert system[0] == {"type": "text", "text": BILLING[client.kind]}
        assert system == client.value()["system"]
    first, second = (request.body for request in provider.server.requests)
    assert first == second, "a prompt cache knows it again"


AGENTS = ["claude-cli/2.1.330 (external, sdk-cli)", "Anthropic/Python 2.12.0", "curl/8.9", "", "Mozilla/5.0 (X11)"]


@through(*EVERY_TYPE)
def test_case_26_whatever_the_client_calls_itself_it_is_relayed_alike(client: Client, provider: Provider) -> None:
    history = [{"role": "assistant", "content": THOUGHT}, {"role": "user", "content": "Go on."}]
    body = client.body(messages=history, field_of_next_year=1)
    said = messages.events(*THOUGHT[:2], messages.text("So it is."))
    for agent in AGENTS:
        provider.server.script(*provider.streams(said))
        headers = client.headers(user_agent=agent, betas=[*client.betas, FUTURE_BETA])
        answer = client.send(headers, body)
        assert (answer.status, answer.body) == (200, b"".join(said))
    asked = provider.server.requests
    assert [request.header("user-agent") for request in asked] == AGENTS
    assert {(request.target, request.body) for request in asked} == {(provider.target(), asked[0].body)}
    others = {frozenset(pair for pair in request.headers if not _is_of_the_moment(*pair)) for request in asked}
    assert len(others) == 1
    stainless = {pair for pair in client.headers() if pair[0].startswith("x-stainless-")}
    assert stainless <= others.pop()
    assert set(provider.betas(asked[0])) == set(arriving(client, provider, FUTURE_BETA))


def _is_of_the_moment(name: str, value: str) -> bool:
    """Whether a header is another one in the next second, or the very one that is looked at."""
    return name in ("user-agent", "x-amz-date") or value.startswith("AWS4-HMAC-SHA256")


ODD = b'{ "temperature": 1.0, "z":1E-2,"big" : 12345678901234567890, "model":"%b",\r\n\t"a":-0.0, "max_tokens":5 }'


@through(*MESSAGES_API)
@pytest.mark.parametrize("spelling", [MODEL, f"{MODEL}[1m]", MODEL.upper()])
def test_case_28_bytes_are_edited_and_never_written_anew(client: Client, provider: Provider, spelling: str) -> None:
    assert client.ask(ODD % spelling.encode()).status == 200
    assert provider.last.body == ODD % provider.model.encode()


@through(*EVERY_TYPE)
def test_case_28_what_no_upstream_asked_to_have_changed_stays_to_the_byte(client: Client, provider: Provider) -> None:
    body = ODD % MODEL.encode()
    assert client.ask(body).status == 200
    before, behind = body.split(b'"model":"%b",' % MODEL.encode())
    assert before in provider.last.body
    assert behind.strip(b"\r\n\t }") in provider.last.body
