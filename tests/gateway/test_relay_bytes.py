"""What goes in comes out: request and response bodies keep their bytes (gateway cases 5, 7, 18, 26, 27, 28)."""

import gzip
import json
import random

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream, End, stream
from tests.standins.gateway import Gateway
from tests.standins.raw_client import ClosedEarlyError, connect

ODD_BODIES = {
    "white space and key order": b'\n{ "stream" :\tfalse,\r\n "model" : "claude-sonnet-5-5" ,'
    b' "max_tokens":7 ,"a":[ ] }\n ',
    "numbers as written (case 28)": b'{"model":"claude-sonnet-5-5","temperature":1.0,"top_p":1E-2,'
    b'"n":12345678901234567890,"z":-0.0,"max_tokens":1}',
    "unknown fields and shapes (case 5)": b'{"model":"claude-sonnet-5-5","messages":[{"role":"system","content":'
    b'[{"type":"tool_reference","tool_name":"x"}]}],"thinking":{"type":"adaptive","display":"omitted"},"future":null}',
    "thinking and signatures in their order (case 7)": b'{"model":"claude-sonnet-5-5","messages":[{"role":"assistant",'
    b'"content":[{"type":"thinking","thinking":"a","signature":"Zg=="},{"type":"redacted_thinking","data":"x"},'
    b'{"type":"thinking","thinking":"b","signature":"Zw=="}]}]}',
    "the billing system block stays first (case 8)": b'{"model":"claude-sonnet-5-5","system":[{"type":"text","text":'
    b'"x-anthropic-billing-header: cc_version=2.1.330"},{"type":"text","text":"b","cache_control":{"type":"ephemeral",'
    b'"ttl":"1h"}}]}',
    "text of every kind": '{"model":"claude-sonnet-5-5","messages":[{"role":"user",'
    '"content":"ä\\u00e4 € 🎈 \\/ \\ud83c\\udf88"}]}'.encode(),
    "the word model inside": b'{"messages":[{"model":"\\"model\\": \\"x\\""}],"metadata":{"model":"no"},'
    b'"model":"claude-sonnet-5-5"}',
    "betas and safeguards (case 6)": b'{"model":"claude-sonnet-5-5","safeguards":{"a":1},"tags":["x"],'
    b'"context_management":{"edits":[]},"output_config":{"effort":"high"}}',
    "half a megabyte": b'{"model":"claude-sonnet-5-5","system":"%b"}' % (b"lorem ipsum " * 45_000),
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_request_s_bytes_reach_the_upstream(
    gateway: Gateway, upstream: AnthropicUpstream, body: bytes, path: str
) -> None:
    assert gateway.messages(body, target=path).status == 200
    assert upstream.last.body == body
    assert upstream.last.target == path


def test_the_query_goes_on_as_it_came(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.messages(b'{"model":"claude-sonnet-5-5"}', target="/v1/messages?beta=true&x=%2F%20a&beta=2&empty")
    assert upstream.last.target == "/v1/messages?beta=true&x=%2F%20a&beta=2&empty"


@pytest.mark.parametrize("spelling", ["CLAUDE-SONNET-5-5", "claude-sonnet-5-5[1m]", "us.anthropic.claude-sonnet-5-5"])
def test_only_the_model_s_value_is_replaced(gateway: Gateway, upstream: AnthropicUpstream, spelling: str) -> None:
    template = '{ "a" : 1.0, "messages":[{"model":"claude-sonnet-5-5[1m]"}],\n"model" :  "MODEL" ,"z":[1e3]}'
    assert gateway.messages(template.replace("MODEL", spelling).encode()).status == 200
    assert upstream.last.body == template.replace("MODEL", "claude-sonnet-5-5").encode()
    assert upstream.last.header("content-length") == str(len(upstream.last.body))


def test_a_json_answer_comes_back_byte_for_byte(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    body = b'{ "usage" : {"input_tokens":0, "x":1.0, "y":{"z":3}},\n "new":[],"type":"message"}'
    upstream.script(framing.whole(200, body, [("content-type", "application/json")]))
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5"}')
    assert (answer.status, answer.body) == (200, body)


def test_a_stream_comes_back_byte_for_byte(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """Case 27: no event is doubled, none is rebuilt; cases 18 and 26: usage and thinking stay as they were."""
    usage = {"input_tokens": 25, "cache_creation": {"ephemeral_1h_input_tokens": 200}, "new_counter": 1.5}
    said = [
        *messages.events(messages.thinking("hm"), {"type": "redacted_thinking", "data": "x"}, messages.text("é €"))[
            :-1
        ],
        b": a comment\n\n",
        b'event: from_next_year\nid: 7\nretry: 10\ndata: {"a":\ndata: 1.0}\n\n',
        b"event:message_delta\ndata:"
        + json.dumps({"type": "message_delta", "delta": {}, "usage": usage}).encode()
        + b"\n\n",
        b'data: {"type":"no_name"}\r\n\r\n',
        messages.PING,
        messages.event("message_stop", {"type": "message_stop"}),
    ]
    upstream.script(*stream(said))
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5","stream":true}')
    assert answer.body == b"".join(said)


@pytest.mark.parametrize("framed", ["length", "chunks"])
def test_a_large_json_answer_comes_back_byte_for_byte(
    gateway: Gateway, upstream: AnthropicUpstream, framed: str
) -> None:
    body = json.dumps(messages.message(messages.text("ä" * 4_000_000))).encode()
    given = [("content-type", "application/json")]
    chunked = [framing.chunk(body[at : at + 70_001]) for at in range(0, len(body), 70_001)]
    if framed == "length":
        upstream.script(framing.whole(200, body, given))
    else:
        upstream.script(framing.head(200, [*given, ("transfer-encoding", "chunked")]), *chunked, framing.LAST_CHUNK)
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5"}')
    assert answer.body == body


def test_a_large_json_answer_that_is_cut_does_not_look_whole(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    body = json.dumps(messages.message(messages.text("x" * 4_000_000))).encode()
    chunked = framing.head(200, [("content-type", "application/json"), ("transfer-encoding", "chunked")])
    upstream.script(chunked, framing.chunk(body[:3_000_000]), End.CLOSE)
    with pytest.raises((ClosedEarlyError, ConnectionResetError)):
        gateway.messages(b'{"model":"claude-sonnet-5-5"}')


def test_gzip_json_can_be_read_by_a_client_that_asked_for_identity(
    gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    """Case 13: never a `content-encoding` that the body does not have, never one that the client did not ask for."""
    upstream.script(framing.json_answer(messages.message(), packed=True))
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5"}', headers=[("accept-encoding", "identity")])
    plain = gzip.decompress(answer.body) if answer.header("content-encoding") == "gzip" else answer.body
    assert json.loads(plain) == messages.message()
    line = gateway.audit_of(answer)
    assert line["tokens"]["output"] == messages.OUTPUT_TOKENS


@pytest.mark.parametrize("text", ["x" * 3_000_000, random.Random(1).randbytes(1_500_000).hex()], ids=["tight", "wide"])
def test_a_long_gzip_answer_is_counted(gateway: Gateway, upstream: AnthropicUpstream, text: str) -> None:
    """Too long to be inflated between two requests; its connection goes on all the same."""
    upstream.script(framing.json_answer(messages.message(messages.text(text)), packed=True))
    with connect(gateway.port) as client:
        headers = [*gateway.headers(), ("accept-encoding", "gzip")]
        body = b'{"model":"claude-sonnet-5-5"}'
        answer = client.request("POST", "/v1/messages", headers=headers, body=body)
        assert gateway.audit_of(answer)["tokens"]["output"] == messages.OUTPUT_TOKENS
        assert client.request("POST", "/v1/messages", headers=headers, body=body).status == 200


def test_gzip_json_goes_through_to_a_client_that_asked_for_it(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    packed = framing.json_answer(messages.message(), packed=True)
    upstream.script(packed)
    answer = gateway.messages(b'{"model":"claude-sonnet-5-5"}', headers=[("accept-encoding", "gzip")])
    plain = gzip.decompress(answer.body) if answer.header("content-encoding") == "gzip" else answer.body
    assert json.loads(plain) == messages.message()
