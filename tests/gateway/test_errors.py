"""Errors: an upstream's own go back as they are, ours are in the same envelope (gateway case 10, the status table)."""

import time
from email.utils import formatdate

import pytest
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Step, usual
from tests.standins.gateway import Gateway
from tests.standins.raw_client import fetch

BODY = b'{"model":"claude-sonnet-5-5"}'
FINAL = [400, 402, 405, 408, 409, 413, 422, 424, 499]
"""Statuses that are the request's own fault: never tried elsewhere."""


@pytest.mark.parametrize("status", [*FINAL, 401, 403, 404, 429, 501])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
def test_an_upstream_s_error_is_relayed_unmodified(
    gateway: Gateway, upstream: AnthropicUpstream, status: int, streamed: bool
) -> None:
    body = b'{ "type":"error","error":{"type":"x_error" , "message":"words \xe2\x82\xac","n":1.0},"request_id":"r"}\n'
    headers = [("content-type", "application/json"), ("retry-after", "17"), ("x-should-retry", "false")]
    upstream.script(framing.whole(status, body, headers))
    answer = gateway.messages(BODY[:-1] + (b',"stream":true}' if streamed else b"}"))
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("retry-after") == "17"
    assert answer.header("x-should-retry") == "false"
    assert gateway.audit_of(answer)["status"] == status


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 215000 tokens > 200000 maximum",
        "Input is too long.",
        "capability_rejected: prompt_too_long",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ],
)
def test_words_that_the_client_s_recovery_needs_stay(
    gateway: Gateway, upstream: AnthropicUpstream, message: str
) -> None:
    """Case 10."""
    upstream.script(framing.error_answer(400, "invalid_request_error", message))
    assert gateway.messages(BODY).error == ("invalid_request_error", message)


@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_a_failing_upstream_is_502_all_upstreams_failed(
    gateway: Gateway, upstream: AnthropicUpstream, status: int
) -> None:
    upstream.script(framing.error_answer(status, "api_error", "internals: host db-7"))
    answer = gateway.messages(BODY)
    assert answer.status == 502
    assert answer.error == ("api_error", "all upstreams failed (1 attempted)")


@pytest.mark.parametrize("status", [503, 529])
def test_an_upstream_at_capacity_is_529(gateway: Gateway, upstream: AnthropicUpstream, status: int) -> None:
    upstream.script(framing.error_answer(status, "api_error", "internals: host db-7", headers=[("retry-after", "9")]))
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (529, "overloaded_error")
    assert "db-7" not in answer.error[1]
    assert answer.header("retry-after") == "9"


@pytest.mark.parametrize("status", [429, 400, 503], ids=["limit", "request", "capacity"])
def test_a_retry_after_that_no_client_could_read_stays_behind(
    gateway: Gateway, upstream: AnthropicUpstream, status: int
) -> None:
    def told(value: str) -> str | None:
        upstream.script(framing.error_answer(status, "api_error", "words", headers=[("retry-after", value)]))
        return gateway.messages(BODY).header("retry-after")

    now = time.time()
    for fit in ("0", "17", "0060", "604800", formatdate(now + 90, usegmt=True), formatdate(now - 90, usegmt=True)):
        assert told(fit) == fit
    junk = ["", "soon", "-1", "1.5", "1e3", "17, 18", "9" * 7, "9" * 400, "\xb9", "Fri, 31 Dec 9999 23:59:59 GMT"]
    for value in (*junk, formatdate(now + 90), "Mon, 99 Jan 2040 00:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"):
        assert told(value) is None, value


ODD: dict[str, list[Step]] = {
    "HTML": [framing.whole(502, b"<html><h1>Bad gateway</h1>", [("content-type", "text/html")])],
    "10 MB": [framing.whole(500, b"x" * 10_000_000, [("content-type", "text/plain")])],
    "no answer": [End.CLOSE],
    "a reset": [End.RESET],
    "no HTTP": [b"220 smtp.example ESMTP\r\n\r\n", End.CLOSE],
    "half a head": [b"HTTP/1.1 200 OK\r\ncontent-ty", End.CLOSE],
    "a flood of headers": [framing.head(200, [(f"x-{n}", "y" * 500) for n in range(5000)]), End.CLOSE],
    "two lengths": [framing.head(200, [("content-length", "2"), ("content-length", "3")]), b"{}", End.CLOSE],
    "a length and chunks": [framing.stream_head([("content-length", "3")]), b"0\r\n\r\n", End.CLOSE],
    "a length that is none": [framing.head(200, [("content-length", "-1")]), End.CLOSE],
    "a switch of protocols": [framing.head(101, [("upgrade", "h2c")]), End.CLOSE],
}


@pytest.mark.parametrize("script", ODD.values(), ids=ODD.keys())
def test_whatever_an_upstream_says_the_client_gets_an_envelope(
    gateway: Gateway, upstream: AnthropicUpstream, script: list[Step]
) -> None:
    upstream.respond = lambda request: script
    answer = gateway.messages(BODY)
    assert answer.status == 502
    assert answer.error == ("api_error", "all upstreams failed (1 attempted)")
    upstream.respond = usual
    assert gateway.messages(BODY).status == 200, "the next request is not touched by it"


def test_a_refusal_in_the_middle_of_the_body_is_read(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    """A server may answer at the head; what it says is the answer, although the body is not yet sent."""
    upstream.answers_early = True
    upstream.respond = lambda request: [framing.error_answer(413, "request_too_large", "too large here")]
    body = b'{"model":"claude-sonnet-5-5","system":"%b"}' % (b"x" * 20_000_000)
    answer = gateway.messages(body)
    assert (answer.status, answer.error) == (413, ("request_too_large", "too large here"))
    upstream.answers_early, upstream.respond = False, usual
    assert gateway.messages(BODY).status == 200


@pytest.mark.parametrize(
    ("method", "target", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not_found_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("POST", "/v1/complete", 404, "not_found_error"),
        ("POST", "/v1/messages/", 404, "not_found_error"),
        ("POST", "/v1//messages", 404, "not_found_error"),
        ("POST", "/v1/%6dessages", 404, "not_found_error"),
        ("GET", "/v1/messages/../models", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("DELETE", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/models", 405, "invalid_request_error"),
    ],
)
def test_paths_and_methods_that_are_not_served(
    gateway: Gateway, upstream: AnthropicUpstream, method: str, target: str, status: int, kind: str
) -> None:
    answer = fetch(gateway.port, method, target, headers=gateway.headers(), body=BODY if method == "POST" else None)
    assert (answer.status, answer.error[0]) == (status, kind)
    assert answer.json()["request_id"] == answer.header("x-request-id")
    assert upstream.requests == []
