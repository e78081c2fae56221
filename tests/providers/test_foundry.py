"""Microsoft Foundry: what it is sent, and what a client gets of what it says."""

import json
from collections.abc import Iterator

import pytest
from tests.standins import framing, messages
from tests.standins.foundry import API_KEY, FoundryStandIn, error_answer
from tests.standins.gateway import Gateway
from tests.standins.manifests import Manifest, cloud_binding, secret, serving
from tests.standins.raw_client import fetch
from tests.standins.upstream import stream

BODY = (
    b'{ "model" : "claude-haiku-4-5-20251001",\n "max_tokens": 64, "temperature": 1.0,'
    b' "metadata": {"model": "inner"}, "unknown": [12345678901234567890, 1e400],'
    b' "messages": [{"role": "user", "content": "h\xc3\xa9"}] }'
)
SENT = BODY.replace(b'"claude-haiku-4-5-20251001"', b'"claude-haiku-4-5"')


def with_key(upstream: FoundryStandIn, key: str = API_KEY) -> list[Manifest]:
    reference = {"name": "foundry", "key": "value"}
    room = {"baseURL": upstream.base_url, "apiKeySecretRef": reference}
    return serving(secret("foundry", key), cloud_binding("foundry", "Foundry", foundry=room))


@pytest.fixture(scope="module")
def shared_foundry() -> Iterator[FoundryStandIn]:
    with FoundryStandIn() as server:
        yield server


@pytest.fixture
def foundry(shared_foundry: FoundryStandIn) -> Iterator[FoundryStandIn]:
    shared_foundry.begin_test()
    yield shared_foundry
    assert shared_foundry.problems == []


@pytest.fixture
def gateway(shared_gateway: Gateway, foundry: FoundryStandIn) -> Iterator[Gateway]:
    shared_gateway.begin_test(with_key(foundry))
    yield shared_gateway
    shared_gateway.end_test()


def test_the_body_is_the_client_s_but_for_the_deployment(gateway: Gateway, foundry: FoundryStandIn) -> None:
    answer = gateway.messages(BODY)
    assert answer.status == 200
    assert answer.json() == messages.message(model="claude-haiku-4-5")
    assert foundry.last.body == SENT
    assert foundry.last.target == "/anthropic/v1/messages?beta=true"
    assert foundry.last.header("x-api-key") == API_KEY


def test_a_stream_comes_as_it_is(gateway: Gateway, foundry: FoundryStandIn) -> None:
    answer = gateway.messages(BODY.replace(b'"max_tokens"', b'"stream": true, "max_tokens"'))
    assert answer.body == b"".join(messages.events(model="claude-haiku-4-5"))
    assert {"apim-request-id", "x-ms-region"}.isdisjoint(name.lower() for name, _ in answer.headers)


def test_tokens_are_counted_under_the_deployment_s_name(gateway: Gateway, foundry: FoundryStandIn) -> None:
    answer = gateway.messages(BODY, target="/v1/messages/count_tokens?beta=true")
    assert answer.json() == {"input_tokens": 1190}
    assert foundry.last.target == "/anthropic/v1/messages/count_tokens?beta=true"
    assert foundry.last.body == SENT


def test_a_client_s_headers_and_tags_go_along(gateway: Gateway, foundry: FoundryStandIn) -> None:
    headers = [
        ("anthropic-beta", "a-2026-01-01, request-tags-2026-08-21"),
        ("anthropic-of-next-year", "yes"),
        ("anthropic-workspace-id", "wrkspc_1"),
        ("user-agent", "whoever"),
        ("x-stainless-lang", "js"),
        ("x-claude-code-session-id", "s"),
    ]
    gateway.messages(BODY.replace(b'"max_tokens"', b'"tags": {"team": "a"}, "max_tokens"'), headers=headers)
    seen = foundry.last
    assert [seen.header(name) for name, _ in headers] == [
        *("a-2026-01-01, request-tags-2026-08-21", "yes", None, "whoever", "js", None),
    ]
    assert seen.json()["tags"] == {"team": "a"}


def test_the_version_is_the_client_s_or_the_one_that_all_clouds_know(gateway: Gateway, foundry: FoundryStandIn) -> None:
    bare = [(name, value) for name, value in gateway.headers() if name != "anthropic-version"]
    for sent in [*bare, ("anthropic-version", "2026-10-21")], bare:
        assert fetch(gateway.port, "POST", "/v1/messages", headers=sent, body=BODY).status == 200
    assert [one.header("anthropic-version") for one in foundry.requests] == ["2026-10-21", "2023-06-01"]


@pytest.mark.parametrize("target", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_profile_goes_into_its_header(gateway: Gateway, foundry: FoundryStandIn, target: str) -> None:
    body = BODY.replace(b'"max_tokens"', b'"user_profile_id": "uprof_1", "max_tokens"')
    assert gateway.messages(body, target=target).status == 200
    assert gateway.messages(body, target=target, headers=[("anthropic-user-profile-id", "uprof_2")]).status == 200
    assert [one.header("anthropic-user-profile-id") for one in foundry.requests] == ["uprof_1", "uprof_2"]
    assert [one.body for one in foundry.requests] == [SENT, SENT]


@pytest.mark.parametrize(
    "profile", [b"7", b"null", b'""', b'"a b"', b'"a\\r\\nx: y"', b'"\\u00e9"', b'"u_\\ud800"', b'"%b"' % (b"x" * 300)]
)
def test_a_profile_that_no_header_can_carry_stays_where_it_is(
    gateway: Gateway, foundry: FoundryStandIn, profile: bytes
) -> None:
    gateway.messages(BODY.replace(b'"max_tokens"', b'"user_profile_id": %b, "max_tokens"' % profile))
    assert foundry.last.body == SENT.replace(b'"max_tokens"', b'"user_profile_id": %b, "max_tokens"' % profile)
    assert foundry.last.header("anthropic-user-profile-id") is None
    foundry.requests.clear()


def test_a_new_key_is_used_by_the_next_request(gateway: Gateway, foundry: FoundryStandIn) -> None:
    gateway.messages(BODY)
    gateway.load(with_key(foundry, "foundry-key-rotated"))
    foundry.expected = [foundry.expected[0].api_key("foundry-key-rotated")]
    gateway.messages(BODY)
    assert [one.header("x-api-key") for one in foundry.requests] == [API_KEY, "foundry-key-rotated"]


STREAMED = BODY.replace(b'"max_tokens"', b'"stream": true, "max_tokens"')
CANARY = "resource corp-eu-canary of subscription 6d1c"


@pytest.mark.parametrize(
    "told",
    [
        messages.event("error", {"type": "error", "error": {"type": "overloaded_error", "message": CANARY}}),
        b'data: {"error": {"code": 529, "message": "%b"}}\n\n' % CANARY.encode(),
    ],
    ids=["claude", "platform"],
)
@pytest.mark.parametrize("at_once", [False, True], ids=["in pieces", "at once"])
@pytest.mark.parametrize("body", [STREAMED, BODY], ids=["stream", "not asked for"])
def test_a_failure_inside_of_a_stream_says_nothing_of_the_resource(
    gateway: Gateway, foundry: FoundryStandIn, told: bytes, at_once: bool, body: bytes
) -> None:
    events = messages.events()
    pieces = stream([*events[:3], told, *events[3:]])
    foundry.script(*([b"".join(pieces)] if at_once else pieces))  # type: ignore[arg-type]
    answer = gateway.messages(body)
    assert answer.body.startswith(b"".join(events[:3]) + b"event: error\n")
    assert answer.body.count(b"event: ") == 4
    end = json.loads(answer.body.rpartition(b"data: ")[2])
    assert (end["error"]["type"], end["request_id"]) == ("overloaded_error", answer.header("x-request-id"))
    assert CANARY not in f"{answer.headers}{answer.body!r}"
    assert gateway.audit_of(answer)["outcome"] == "upstream_error"
    assert CANARY in gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))["message"]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_an_error_of_the_platform_says_nothing_of_the_resource(
    gateway: Gateway, foundry: FoundryStandIn, body: bytes
) -> None:
    foundry.script(error_answer(429, "429", CANARY, headers=[("retry-after", "21"), ("apim-request-id", "apim-7")]))
    answer = gateway.messages(body)
    assert (answer.status, answer.error[0], answer.header("retry-after")) == (429, "rate_limit_error", "21")
    assert answer.json()["request_id"] == answer.header("x-request-id")
    assert CANARY not in f"{answer.headers}{answer.body!r}"
    line = gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))
    assert CANARY in line["message"]
    assert (line["upstream_request_id"], line["upstream"]) == ("req_upstream apim-7", "claude/foundry")


NATIVE = [
    (400, "invalid_request", 400),
    (401, "401", 401),
    (403, "PermissionDenied", 403),
    (404, "DeploymentNotFound", 404),
    (408, "Timeout", 408),
    (409, "Conflict", 409),
    (413, "RequestTooLarge", 413),
    (429, "TooManyRequests", 429),
    (500, "InternalServerError", 502),
    (503, "ServiceUnavailable", 529),
]


@pytest.mark.parametrize(("status", "code", "told"), NATIVE)
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_no_error_of_the_platform_says_anything_of_the_resource(
    gateway: Gateway, foundry: FoundryStandIn, body: bytes, status: int, code: str, told: int
) -> None:
    headers = [("www-authenticate", CANARY), ("x-ms-error", CANARY), ("retry-after", "7")]
    foundry.script(error_answer(status, code, CANARY, headers=headers))
    answer = gateway.messages(body)
    assert answer.status == told
    assert CANARY not in f"{answer.headers}{answer.body!r}"
    assert answer.json()["request_id"] == answer.header("x-request-id")
    if status == 429:
        assert answer.header("retry-after") == "7"
    assert CANARY in gateway.log_of("upstream.error", request_id=answer.header("x-request-id"))["message"]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
def test_what_claude_says_of_a_request_is_the_client_s(gateway: Gateway, foundry: FoundryStandIn, body: bytes) -> None:
    said = "prompt is too long: 210000 tokens > 200000 maximum"
    foundry.script(framing.error_answer(400, "invalid_request_error", said))
    answer = gateway.messages(body)
    assert (answer.status, *answer.error) == (400, "invalid_request_error", said)
