"""Amazon Bedrock when it fails: what moves on to the next upstream, and what a client is told."""

import gzip
import json
from collections.abc import Iterator

import pytest
from tests.providers.amazon import BODY, SAID, STREAMED, access_key, bedrock_binding
from tests.standins import event_frames, framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.bedrock import BedrockStandIn, error_answer, stream, stream_head
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import Manifest, binding, secret, serving
from tests.standins.upstream import End, Gate, Step

ACCOUNT = "arn:aws:iam::123456789012:role/claude-gateway"


@pytest.fixture
def gateway(shared_gateway: Gateway, bedrock: BedrockStandIn) -> Iterator[Gateway]:
    shared_gateway.begin_test(alone(bedrock))
    yield shared_gateway
    shared_gateway.end_test()


def alone(bedrock: BedrockStandIn) -> list[Manifest]:
    return serving(access_key(), bedrock_binding(bedrock))


def with_another(bedrock: BedrockStandIn, upstream: AnthropicUpstream) -> list[Manifest]:
    first = bedrock_binding(bedrock)
    first["spec"]["priority"] = 10
    return serving(access_key(), first, secret(), binding("anthropic", upstream.url))


def exception_first(name: str) -> list[Step]:
    return [stream_head(), framing.chunk(event_frames.exception(name, f"{ACCOUNT} is the reason")), framing.LAST_CHUNK]


MOVES_ON: dict[str, list[Step]] = {
    "AccessDenied": [error_answer(403, "AccessDeniedException", ACCOUNT)],
    "ResourceNotFound": [error_answer(404, "ResourceNotFoundException", ACCOUNT)],
    "Throttling": [error_answer(429, "ThrottlingException", "Too many requests")],
    "ModelNotReady": [error_answer(429, "ModelNotReadyException", "not ready")],
    "ServiceQuotaExceeded": [error_answer(400, "ServiceQuotaExceededException", "the quota of the account")],
    "RequestExpired": [error_answer(400, "RequestExpired", "Signature expired")],
    "ExpiredToken": [error_answer(400, "ExpiredTokenException", "The security token included is expired")],
    "NotAuthorized": [error_answer(400, "NotAuthorized", ACCOUNT)],
    "ModelTimeout": [error_answer(408, "ModelTimeoutException", "too slow")],
    "ModelError": [error_answer(424, "ModelErrorException", "the model failed")],
    "InternalServer": [error_answer(500, "InternalServerException", "broken")],
    "ServiceUnavailable": [error_answer(503, "ServiceUnavailableException", "busy")],
    "throttled in the stream": exception_first("throttlingException"),
    "broken in the stream": exception_first("internalServerException"),
    "unavailable in the stream": exception_first("serviceUnavailableException"),
    "timed out in the stream": exception_first("modelTimeoutException"),
    "the model failed in the stream": exception_first("modelStreamErrorException"),
    "an exception of next year": exception_first("ofNextYearException"),
    "overloaded in the stream": stream(
        [messages.event("error", b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}')]
    ),
    "a stream without an event": [stream_head(), framing.LAST_CHUNK],
    "a stream that is closed at once": [stream_head(), End.CLOSE],
    "a corrupt first frame": [stream_head(), framing.chunk(b"\x00" * 64), framing.LAST_CHUNK],
    "half a frame": [stream_head(), framing.chunk(event_frames.chunk(b'{"type":"ping"}')[:-3]), framing.LAST_CHUNK],
    "HTML with 200": [framing.whole(200, b"<html>Please sign in", [("content-type", "text/html")])],
    "JSON with 200": [framing.json_answer(messages.message())],
    "200 without a type": [framing.whole(200, event_frames.chunk(b'{"type":"ping"}'))],
    "200 without a body": [framing.whole(200, b"")],
    "HTML in a frame": [stream_head(), framing.chunk(event_frames.chunk(b"<html>")), framing.LAST_CHUNK],
}
FINAL: dict[str, list[Step]] = {
    "Validation": [error_answer(400, "ValidationException", "messages: field required")],
    "refused in the stream": exception_first("validationException"),
}


def test_gzip_that_nobody_asked_for_is_unpacked(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    packed = gzip.compress(b"".join(event_frames.stream(SAID)))
    headers = [("content-type", event_frames.MEDIA_TYPE), ("content-encoding", "gzip")]
    bedrock.script(framing.whole(200, packed, headers))
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.body) == (200, b"".join(SAID))


@pytest.mark.parametrize("script", MOVES_ON.values(), ids=MOVES_ON.keys())
def test_another_upstream_answers(
    gateway: Gateway, bedrock: BedrockStandIn, upstream: AnthropicUpstream, script: list[Step]
) -> None:
    gateway.load(with_another(bedrock, upstream))
    bedrock.script(*script)
    answer = gateway.messages(STREAMED)
    assert answer.status == 200
    assert answer.body == b"".join(messages.events(model="claude-haiku-4-5-20251001"))
    assert gateway.audit_of(answer)["upstream"] == "claude/anthropic"


@pytest.mark.parametrize("script", FINAL.values(), ids=FINAL.keys())
def test_what_is_the_request_s_own_fault_is_final(
    gateway: Gateway, bedrock: BedrockStandIn, upstream: AnthropicUpstream, script: list[Step]
) -> None:
    gateway.load(with_another(bedrock, upstream))
    bedrock.script(*script)
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.error[0]) == (400, "invalid_request_error")
    assert upstream.requests == []


def test_a_credential_that_is_refused_with_400_is_no_fault_of_the_request(
    gateway: Gateway, bedrock: BedrockStandIn
) -> None:
    def refusals() -> float:
        return gateway.metric("claude_gateway_upstream_attempts_failed_total", reason="403")

    before = refusals()
    bedrock.script(error_answer(400, "RequestExpired", f"Signature expired for {ACCOUNT}"))
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (403, "permission_error")
    assert "arn:" not in answer.body.decode()
    assert refusals() == before + 1, "counted as what it means"


def test_an_exception_as_the_first_frame_is_the_answer_s_status(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    bedrock.script(*exception_first("throttlingException"))
    answer = gateway.messages(STREAMED)
    assert (answer.status, answer.error[0]) == (429, "rate_limit_error")
    assert "123456789012" not in answer.body.decode()
    eventually(lambda: ACCOUNT in gateway.log_text(), what="the operator told all of it")


CUTS: dict[str, list[Step]] = {
    "an exception": [framing.chunk(event_frames.exception("throttlingException", ACCOUNT)), framing.LAST_CHUNK],
    "an error": [framing.chunk(event_frames.error("InternalFailure", ACCOUNT)), framing.LAST_CHUNK],
    "an error event": [
        framing.chunk(event_frames.chunk(b'{"type":"error","error":{"type":"api_error","message":"%b"}}' % b"arn:x")),
        framing.LAST_CHUNK,
    ],
    "a corrupt frame": [framing.chunk(b"\x01" + event_frames.chunk(b'{"type":"ping"}')[1:]), framing.LAST_CHUNK],
    "half a frame": [framing.chunk(event_frames.chunk(b'{"type":"ping"}')[:-3]), framing.LAST_CHUNK],
    "an end": [framing.LAST_CHUNK],
    "a closed connection": [End.CLOSE],
    "a reset": [End.RESET],
}


@pytest.mark.parametrize("ending", CUTS.values(), ids=CUTS.keys())
def test_what_goes_wrong_in_mid_stream_is_told_in_band(
    gateway: Gateway, bedrock: BedrockStandIn, ending: list[Step]
) -> None:
    bedrock.script(stream_head(), *(framing.chunk(frame) for frame in event_frames.stream(SAID[:4])), *ending)
    answer = gateway.messages(STREAMED)
    before = b"".join(SAID[:4])
    assert answer.status == 200
    assert answer.body.startswith(before + b"event: error\ndata: ")
    error = json.loads(answer.body[len(before) :].partition(b"data: ")[2])
    assert error["type"] == "error"
    assert error["request_id"] == answer.header("x-request-id")
    assert "arn:" not in answer.body.decode()
    assert b"message_stop" not in answer.body


def test_what_comes_behind_the_end_of_the_message_is_nobody_s_concern(
    gateway: Gateway, bedrock: BedrockStandIn
) -> None:
    bedrock.script(*stream(SAID, event_frames.exception("internalServerException", "late")))
    assert gateway.messages(STREAMED).body == b"".join(SAID)


def test_an_overflow_keeps_the_words_that_clients_act_on(gateway: Gateway, bedrock: BedrockStandIn) -> None:
    bedrock.script(error_answer(400, "ValidationException", "Input is too long for requested model."))
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[1]) == (400, "capability_rejected: prompt_too_long")
    assert gateway.audit_of(answer)["upstream_request_id"] is not None


def test_silence_is_filled_with_pings_and_a_failure_behind_one_is_told_in_band(
    own_gateway: Gateway, bedrock: BedrockStandIn
) -> None:
    own_gateway.load(alone(bedrock))
    own_gateway.start("--limit", "ping=1")
    whole = event_frames.chunk(event_frames.data_of(SAID[0]))
    before, inside = Gate(), Gate()
    failed = framing.chunk(event_frames.exception("throttlingException", ACCOUNT))
    bedrock.script(stream_head(), before, failed, framing.LAST_CHUNK)
    first = own_gateway.begin(STREAMED)
    before.wait_until_reached()
    half, *frames = [framing.chunk(one) for one in (whole[:40], whole[40:], *event_frames.stream(SAID[1:]))]
    bedrock.script(stream_head(), half, inside, *frames, framing.LAST_CHUNK)
    second = own_gateway.begin(STREAMED)
    inside.wait_until_reached()
    for client in first, second:
        assert client.head().status == 200
        assert client.event().startswith(b"event: ping\n")
    before.open()
    inside.open()
    told = b"".join(first.pieces()).rpartition(b"event: error\ndata: ")[2]
    assert json.loads(told)["error"]["type"] == "rate_limit_error"
    assert b"arn:" not in told
    assert b"".join(second.pieces()).endswith(b"".join(SAID)), "pings stand before events, never inside of one"
