"""Amazon Bedrock: what it is sent, and what a client gets of what it says."""

import json
from collections.abc import Iterator

import pytest
from tests.providers.amazon import BODY, HAIKU, PROFILE, SAID, SENT, STREAMED, access_key, bedrock_binding
from tests.standins import event_frames, framing, messages
from tests.standins.aws_requests import SECRET_ACCESS_KEY
from tests.standins.bedrock import BEARER, REGION, REQUEST_ID, BedrockStandIn, stream
from tests.standins.gateway import Gateway
from tests.standins.manifests import Manifest, secret, serving
from tests.standins.raw_client import fetch
from tests.standins.sigv4 import Keys
from tests.standins.upstream import Gate


def with_access_key(upstream: BedrockStandIn, **key: str) -> list[Manifest]:
    return serving(access_key(**key), bedrock_binding(upstream))


@pytest.fixture
def gateway(shared_gateway: Gateway, bedrock: BedrockStandIn) -> Iterator[Gateway]:
    shared_gateway.begin_test(with_access_key(bedrock))
    yield shared_gateway
    shared_gateway.end_test()


def test_a_request_is_signed_and_its_body_the_client_s_but_for_members_that_belong_elsewhere(
    gateway: Gateway, bedrock: BedrockStandIn
) -> None:
    answer = gateway.messages(BODY)
    assert answer.status == 200
    assert answer.json() == messages.message(model="claude-haiku-4-5-20251001-v1:0")
    assert bedrock.last.target == f"/model/{HAIKU}/invoke"
    assert bedrock.last.body == SENT
    assert f"/{REGION}/bedrock/aws4_request" in (bedrock.last.header("authorization") or "")


def test_a_stream_becomes_server_sent_events(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.body) == (200, b"".join(SAID))
    assert answer.header("content-type") == "text/event-stream"
    assert answer.header("cache-control") == "no-cache"
    assert not any(name.lower().startswith("x-amzn") for name, _ in answer.headers)
    assert bedrock.last.target == f"/model/{HAIKU}/invoke-with-response-stream"
    assert bedrock.last.body == SENT
    line = gateway.audit_of(answer)
    assert line["upstream_request_id"] == REQUEST_ID
    assert line["tokens"]["output"] == messages.OUTPUT_TOKENS


def test_frames_may_be_cut_anywhere(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    head, *chunks, last = stream(SAID)
    whole = b"".join(event_frames.stream(SAID))
    pieces = [whole[at : at + 37] for at in range(0, len(whole), 37)]
    assert len(chunks) == len(SAID)
    bedrock.script(head, *(framing.chunk(piece) for piece in pieces), last)
    assert gateway.messages(STREAMED).body == b"".join(SAID)


def test_every_event_passes(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    news = messages.event("of_next_year", b'{"type":"of_next_year","n":1.0,"m":12345678901234567890}')
    long = messages.event("of_next_year", b'{"type":"of_next_year","n":"%b"}' % (b"x" * 3_000_000))
    events = [SAID[0], messages.PING, news, long, *SAID[1:]]
    bedrock.script(*stream(events))
    assert gateway.messages(STREAMED).body == b"".join(events)


def test_events_come_as_they_are_said(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    gate = Gate()
    head, *chunks, last = stream(SAID)
    bedrock.script(head, *chunks[:2], gate, *chunks[2:], last)
    client = gateway.begin(STREAMED)
    client.head()
    assert [client.event(), client.event()] == SAID[:2]
    gate.open()
    assert b"".join(client.pieces()) == b"".join(SAID[2:])


def test_a_client_that_leaves_ends_the_request_at_the_upstream(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    head, first, *_ = stream(SAID)
    bedrock.script(head, first, Gate())
    client = gateway.begin(STREAMED)
    client.head()
    assert client.event() == SAID[0]
    client.close()
    bedrock.wait_for(lambda: bedrock.last.hung_up_at is not None, what="its stream given up")


def test_an_arn_is_escaped_in_the_path(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    assert gateway.messages(BODY.replace(b"claude-haiku-4-5-20251001", b"claude-opus-5-5")).status == 200
    assert bedrock.last.target == f"/model/{PROFILE.replace('/', '%2F')}/invoke"


def test_which_headers_of_a_client_go_along(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    headers = [
        ("anthropic-of-next-year", "yes"),
        ("user-agent", "whoever"),
        ("x-stainless-lang", "  js with  blanks"),
        ("anthropic-workspace-id", "wrkspc_1"),
        ("x-claude-code-session-id", "s"),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-security-token", "forged"),
        ("accept", "text/event-stream"),
    ]
    assert gateway.messages(BODY, headers=headers).status == 200
    seen = bedrock.last
    assert [seen.header(name) for name, _ in headers[:5]] == ["yes", "whoever", "js with  blanks", None, None]
    assert seen.header("x-amz-security-token") is None


def test_a_content_type_that_cannot_be_signed_stays_behind(gateway: Gateway) -> None:
    headers = [(name, value) for name, value in gateway.headers() if name != "content-type"]
    headers.append(("content-type", "application/json; \xe9"))
    assert fetch(gateway.port, "POST", "/v1/messages", headers=headers, body=BODY).status == 200


def test_betas_tags_and_the_profile_go_where_bedrock_looks_for_them(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    body = BODY.replace(
        b'"max_tokens"',
        b'"tags": {"team": "a"}, "user_profile_id": "uprof_1", "anthropic_beta": ["b-1"], "max_tokens"',
    )
    answer = gateway.messages(body, headers=[("anthropic-beta", "a-1, request-tags-2026-08-21,b-1")])
    assert answer.status == 200
    sent = bedrock.last.json()
    assert sent["anthropic_beta"] == ["b-1", "a-1"]
    assert {"tags", "user_profile_id"}.isdisjoint(sent)
    assert bedrock.last.header("anthropic-user-profile-id") == "uprof_1"


def test_a_bearer_token_is_sent_as_it_is(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    room = bedrock_binding(bedrock, bearerTokenSecretRef={"name": "bedrock", "key": "value"})
    gateway.load(serving(secret("bedrock", BEARER), room))
    assert gateway.messages(STREAMED).body == b"".join(SAID)
    assert bedrock.last.header("authorization") == f"Bearer {BEARER}"
    assert bedrock.last.header("x-amz-date") is None


def test_a_rotated_access_key_signs_the_next_request(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    gateway.messages(BODY)
    bedrock.credentials.keys["ASIATEMPORARY"] = Keys("another-secret", "session-token-canary")
    gateway.load(with_access_key(bedrock, key_id="ASIATEMPORARY", key="another-secret", token="session-token-canary"))
    gateway.messages(BODY)
    assert [one.header("x-amz-security-token") for one in bedrock.requests] == [None, "session-token-canary"]
    said = gateway.log_text() + gateway.audit_text()
    assert not [one for one in (SECRET_ACCESS_KEY, "another-secret", "session-token-canary") if one in said]


def test_the_answer_s_json_is_bedrock_s_byte_for_byte(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    value = json.dumps(messages.message() | {"n": 1.0}, indent=1).encode()
    bedrock.script(framing.whole(200, value, [("content-type", "application/json")]))
    assert gateway.messages(BODY).body == value
