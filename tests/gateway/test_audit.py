"""The audit log: one line for each inference and each refusal, and never a word of what was said."""

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, Gate, stream
from tests.standins.gateway import ALICE, Gateway, eventually
from tests.standins.manifests import policy, smallest
from tests.standins.raw_client import fetch

BODY = b'{"model":"claude-sonnet-5-5[1m]","messages":[{"role":"user","content":"prompt-canary-1"}]}'
STREAMED = BODY[:-1] + b',"stream":true}'
TOKENS = {
    "input": 25,
    "output": messages.OUTPUT_TOKENS,
    "cache_read": 4000,
    "cache_write_5m": 100,
    "cache_write_1h": 200,
}


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_an_inference_is_one_line(gateway: Gateway, body: bytes) -> None:
    answer = gateway.messages(body, headers=[("x-claude-code-session-id", "session-7")])
    line = gateway.audit_of(answer)
    assert line["event"] == "inference"
    assert line["sub"] == ALICE
    assert line["email"] == ALICE
    assert line["path"] == "/v1/messages"
    assert line["model"] == "claude-sonnet-5-5"
    assert line["upstream"] == "claude/anthropic"
    assert line["upstream_request_id"] == "req_upstream"
    assert line["status"] == 200
    assert line["session_id"] == "session-7"
    assert line["tokens"] == TOKENS
    assert line["ms"] >= line["first_byte_ms"] >= 0
    assert [one for one in gateway.audit() if one.get("request_id") == line["request_id"]] == [line]


@pytest.mark.parametrize(
    ("change", "event", "status", "reason"),
    [
        ({"user": "nobody"}, "auth.denied", 401, "InvalidCredential"),
        (
            {"body": b'{"model":"claude-opus-5-5","messages":"prompt-canary-1"}'},
            "access.denied",
            400,
            "ModelNotAllowed",
        ),
        ({"body": b'{"messages":"prompt-canary-1"'}, "access.denied", 400, "BodyNotJSON"),
        ({"body": b'{"model":"a","model":"prompt-canary-1"}'}, "access.denied", 400, "AmbiguousMember"),
        ({"headers": [("content-encoding", "br")]}, "access.denied", 415, "ContentEncoding"),
    ],
)
def test_a_refusal_is_one_line(
    gateway: Gateway, upstream: AnthropicUpstream, change: dict[str, object], event: str, status: int, reason: str
) -> None:
    others = [one for one in smallest(upstream.url) if one["kind"] != "GatewayPolicy"]
    gateway.load([*others, policy("everyone", availableModels=["claude-sonnet-5-5"])])
    answer = gateway.messages(**({"body": BODY} | change))  # type: ignore[arg-type] # the table's values fit
    assert answer.status == status
    line = gateway.audit_of(answer)
    assert (line["event"], line["status"], line["reason"]) == (event, status, reason)
    assert "prompt-canary-1" not in gateway.audit_text()
    assert [one for one in gateway.audit() if one.get("request_id") == line["request_id"]] == [line]


def test_a_request_without_a_key_is_one_line(gateway: Gateway) -> None:
    answer = fetch(gateway.port, "POST", "/v1/messages", body=BODY)
    assert gateway.audit_of(answer)["reason"] == "MissingCredential"


def test_a_load_is_one_line(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    revision = gateway.load(smallest(upstream.url, policy("audited", matches=[{"groups": ["x"]}])))
    lines = gateway.wait_for_audit(1, "config.load")
    assert [(line["outcome"], line["revision"]) for line in lines] == [("loaded", revision)]


def test_nothing_that_was_said_or_must_stay_secret_is_written_anywhere(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    """Case 29: no content is ever logged; no secret either."""
    answered = messages.events(messages.thinking("thought-canary-2"), messages.text("answer-canary-3"))
    upstream.script(*stream(answered))
    answers = [gateway.messages(STREAMED, headers=[("cookie", "cookie-canary-4")])]
    upstream.script(framing.error_answer(400, "invalid_request_error", "refusal-canary-5"))
    answers.append(gateway.messages(BODY, target="/v1/messages?token=query-canary-6"))
    upstream.script(framing.error_answer(500, "api_error", "failure of account 42"))
    answers.append(gateway.messages(BODY))
    answers.append(gateway.messages(b'{"model":"claude-sonnet-5-5","a":"prompt-canary-1"'))
    answers.append(gateway.messages(BODY, headers=[("x-api-key", "sk-ant-api03-callers-canary")]))
    answers.append(
        fetch(gateway.port, "POST", "/v1/messages", headers=[("x-api-key", "wrong-key-canary-7")], body=BODY)
    )
    gate = Gate()
    upstream.script(framing.stream_head(), framing.chunk(answered[0]), framing.chunk(answered[3]), gate)
    client = gateway.begin(STREAMED)
    answers.append(client.head())
    client.event()
    client.close()
    for answer in answers:
        gateway.audit_of(answer)
    eventually(lambda: gateway.status()["open_streams"] == 0, what="all answered")
    pages = b"".join(gateway.get(path).body for path in ("/", "/protocol", "/healthz", "/readyz")).decode()
    said = gateway.log_text() + gateway.audit_text() + gateway.metrics_text() + repr(gateway.status()) + pages
    assert "canary" not in said
    assert gateway.key() not in said
    assert API_KEY not in said
