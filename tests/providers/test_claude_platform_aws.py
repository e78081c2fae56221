"""Claude Platform on AWS: what it is sent, and what a client gets of what it says."""

from collections.abc import Iterator

import pytest
from tests.providers.amazon import access_key, aws_binding
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.bedrock import error_answer
from tests.standins.claude_platform_aws import API_KEY, REGION, WORKSPACE, ClaudePlatformAWSStandIn
from tests.standins.gateway import Gateway
from tests.standins.manifests import binding, secret, serving
from tests.standins.raw_client import fetch
from tests.standins.sigv4 import Keys

BODY = (
    b'{ "model" : "claude-haiku-4-5",\n "max_tokens": 64, "temperature": 1.0,'
    b' "unknown": [12345678901234567890, 1e400], "messages": [{"role": "user", "content": "h\xc3\xa9"}] }'
)
MODEL = "claude-haiku-4-5-20251001"
SENT = BODY.replace(b'"claude-haiku-4-5"', b'"claude-haiku-4-5-20251001"')
STREAMED = BODY.replace(b'"max_tokens"', b'"stream": true, "max_tokens"')


@pytest.fixture(scope="module")
def shared_platform() -> Iterator[ClaudePlatformAWSStandIn]:
    with ClaudePlatformAWSStandIn() as server:
        yield server


@pytest.fixture
def platform(shared_platform: ClaudePlatformAWSStandIn) -> Iterator[ClaudePlatformAWSStandIn]:
    shared_platform.begin_test()
    yield shared_platform
    assert shared_platform.problems == []


@pytest.fixture
def gateway(shared_gateway: Gateway, platform: ClaudePlatformAWSStandIn) -> Iterator[Gateway]:
    shared_gateway.begin_test(serving(access_key(), aws_binding(platform)))
    yield shared_gateway
    shared_gateway.end_test()


def test_a_request_is_signed_for_the_workspace(gateway: Gateway, platform: ClaudePlatformAWSStandIn) -> None:
    answer = gateway.messages(BODY)
    assert (answer.status, answer.json()) == (200, messages.message(model=MODEL))
    seen = platform.last
    assert (seen.target, seen.body) == ("/v1/messages?beta=true", SENT)
    authorization = seen.header("authorization") or ""
    assert f"/{REGION}/aws-external-anthropic/aws4_request" in authorization
    assert "anthropic-workspace-id" in authorization, "it is part of what is signed"
    assert not any(name.lower().startswith("x-amzn") for name, _ in answer.headers)
    assert gateway.audit_of(answer)["upstream_request_id"] == "req_upstream", "Claude's own id, before that of AWS"


def test_a_stream_comes_as_it_is(gateway: Gateway) -> None:
    assert gateway.messages(STREAMED).body == b"".join(messages.events(model=MODEL))


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", ""),
        ("?beta=true", "?beta=true"),
        ("?b=2&a=1&a", "?b=2&a=1&a="),
        ("?", ""),
        ("?&beta=%74rue&", "?beta=true"),
        ("?x=%2fa%20b+c~*&y=1=2", "?x=%2Fa%20b%2Bc~%2A&y=1%3D2"),
        ("?x=%ff%", "?x=%FF%25"),
    ],
)
def test_a_query_is_sent_and_signed_in_the_spelling_that_aws_compares(
    gateway: Gateway, platform: ClaudePlatformAWSStandIn, query: str, sent: str
) -> None:
    assert gateway.messages(BODY, target=f"/v1/messages{query}").status == 200
    assert platform.last.target == f"/v1/messages{sent}"


def test_tokens_are_counted(gateway: Gateway, platform: ClaudePlatformAWSStandIn) -> None:
    answer = gateway.messages(BODY, target="/v1/messages/count_tokens?beta=true")
    assert answer.json() == {"input_tokens": 1190}
    assert (platform.last.target, platform.last.body) == ("/v1/messages/count_tokens?beta=true", SENT)


def test_a_client_s_headers_and_tags_go_along_and_its_workspace_does_not(
    gateway: Gateway, platform: ClaudePlatformAWSStandIn
) -> None:
    headers = [
        ("anthropic-beta", "a-2026-01-01, request-tags-2026-08-21"),
        ("anthropic-beta", "b-2026-01-01"),
        ("anthropic-of-next-year", "h\xe9"),
        ("user-agent", "whoever"),
        ("x-stainless-lang", "js  with   blanks"),
        ("anthropic-workspace-id", "wrkspc_of_the_client"),
    ]
    gateway.messages(BODY.replace(b'"max_tokens"', b'"tags": {"team": "a"}, "max_tokens"'), headers=headers)
    seen = platform.last
    assert seen.all("anthropic-beta") == ["a-2026-01-01, request-tags-2026-08-21", "b-2026-01-01"]
    assert [seen.header(name) for name, _ in headers[3:]] == ["whoever", "js  with   blanks", WORKSPACE]
    assert seen.json()["tags"] == {"team": "a"}


def test_an_api_key_is_sent_as_it_is(gateway: Gateway, platform: ClaudePlatformAWSStandIn) -> None:
    room = aws_binding(platform, apiKeySecretRef={"name": "claude-aws", "key": "value"})
    gateway.load(serving(secret("claude-aws", API_KEY), room))
    assert gateway.messages(STREAMED).status == 200
    assert platform.last.header("x-api-key") == API_KEY
    assert platform.last.header("authorization") is None


def test_a_rotated_access_key_signs_the_next_request(gateway: Gateway, platform: ClaudePlatformAWSStandIn) -> None:
    gateway.messages(BODY)
    platform.credentials.keys["ASIATEMPORARY"] = Keys("another-secret", "session-token-canary")
    rotated = access_key("ASIATEMPORARY", "another-secret", "session-token-canary")
    gateway.load(serving(rotated, aws_binding(platform)))
    gateway.messages(BODY)
    assert [one.header("x-amz-security-token") for one in platform.requests] == [None, "session-token-canary"]


def test_the_version_is_the_client_s_or_the_one_that_all_clouds_know(
    gateway: Gateway, platform: ClaudePlatformAWSStandIn
) -> None:
    bare = [(name, value) for name, value in gateway.headers() if name != "anthropic-version"]
    for sent in [*bare, ("anthropic-version", "2026-10-21")], bare:
        assert fetch(gateway.port, "POST", "/v1/messages", headers=sent, body=BODY).status == 200
    assert [one.header("anthropic-version") for one in platform.requests] == ["2026-10-21", "2023-06-01"]


def test_a_refusal_of_aws_moves_on_and_an_error_of_claude_s_is_kept(
    gateway: Gateway, platform: ClaudePlatformAWSStandIn, upstream: AnthropicUpstream
) -> None:
    gateway.load(serving(access_key(), aws_binding(platform, 10), secret(), binding("anthropic", upstream.url)))
    platform.script(error_answer(403, "AccessDeniedException", "arn:aws:iam::123456789012:role/x may not"))
    assert gateway.audit_of(gateway.messages(BODY))["upstream"] == "claude/anthropic"
    words = "prompt is too long: 215000 tokens > 200000 maximum"
    platform.script(framing.error_answer(400, "invalid_request_error", words))
    assert gateway.messages(BODY).error == ("invalid_request_error", words)
    assert len(upstream.requests) == 1
