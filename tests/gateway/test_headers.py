"""Which headers pass, in both directions (gateway cases 13 and 26)."""

import pytest
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import API_KEY, AnthropicUpstream, stream
from tests.standins.gateway import Gateway
from tests.standins.manifests import binding, deployment, developer_key, policy, secret
from tests.standins.raw_client import fetch
from tests.standins.requests_seen import Expected

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'

FORWARDED = [
    ("accept", "application/json"),
    ("anthropic-beta", "claude-code-20250219,context-management-2025-06-27, of-next-year-2027-01-01"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-of-next-year", "yes"),
    ("user-agent", "curl/8.0 whoever (says/this)"),
    ("x-app", "cli"),
    ("x-stainless-lang", "js"),
    ("x-stainless-helper-method", "stream"),
]
LEFT_BEHIND = [
    ("anthropic-workspace-id", "wrkspc_1"),
    ("baggage", "a=b"),
    ("cookie", "session=1"),
    ("forwarded", "for=10.0.0.1"),
    ("keep-alive", "timeout=5"),
    ("proxy-authorization", "Basic eA=="),
    ("te", "trailers"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("upgrade", "h2c"),
    ("x-claude-code-agent-id", "agent"),
    ("x-claude-code-session-id", "session"),
    ("x-client-request-id", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-host", "evil.example"),
    ("x-named-by-connection", "hop-by-hop"),
    ("x-request-id", "abc"),
    ("x-unknown", "1"),
]


@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["json", "stream"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_client_s_headers(gateway: Gateway, upstream: AnthropicUpstream, body: bytes, path: str) -> None:
    hop = [("connection", "keep-alive, X-Named-By-Connection")]
    assert gateway.messages(body, target=path, headers=[*FORWARDED, *LEFT_BEHIND, *hop]).status == 200
    seen = upstream.last
    for name, value in [*FORWARDED, ("anthropic-version", "2023-06-01"), ("content-type", "application/json")]:
        assert seen.all(name) == [value]
    ours = {"host", "content-length", "accept-encoding", "x-api-key"}
    sent = {name for name, _ in FORWARDED} | {"anthropic-version", "content-type"}
    assert seen.names == sent | ours
    assert seen.header("x-api-key") == API_KEY


def test_a_forwarded_header_named_by_connection_is_hop_by_hop(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.messages(BODY, headers=[("connection", "x-app"), ("x-app", "cli")])
    assert "x-app" not in upstream.last.names
    gateway.messages(BODY, headers=[("connection", "keep-alive"), ("connection", "x-app"), ("x-app", "cli")])
    assert "x-app" not in upstream.last.names, "every Connection header counts"


def test_the_same_header_twice_stays_two(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    gateway.messages(BODY, headers=[("anthropic-beta", "a"), ("anthropic-beta", "b,c")])
    assert ",".join(upstream.last.all("anthropic-beta")).replace(" ", "") == "a,b,c"


def test_a_client_without_a_version_sends_none(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    headers = [(name, value) for name, value in gateway.headers() if name != "anthropic-version"]
    assert fetch(gateway.port, "POST", "/v1/messages", headers=headers, body=BODY).status == 200
    assert upstream.last.header("anthropic-version") is None


ANSWERED = [
    ("anthropic-of-next-year", "yes"),
    ("content-type", "application/json"),
    ("request-id", "req_of_the_upstream"),
    ("retry-after", "3"),
    ("x-should-retry", "true"),
]
KEPT_BACK = [
    ("anthropic-organization-id", "org-canary"),
    ("anthropic-ratelimit-requests-limit", "4000"),
    ("anthropic-ratelimit-unified-status", "allowed"),
    ("cf-ray", "8f"),
    ("keep-alive", "timeout=4"),
    ("proxy-authenticate", "Basic"),
    ("server", "cloudflare"),
    ("set-cookie", "_cfuvid=1"),
    ("strict-transport-security", "max-age=1"),
    ("upgrade", "h3"),
    ("via", "1.1 google"),
    ("www-authenticate", "Bearer"),
    ("x-envoy-upstream-service-time", "9"),
    ("x-frame-options", "ALLOWALL"),
]


def test_an_upstream_s_headers_on_a_json_answer(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.script(framing.whole(200, b'{"type":"message"}', [*ANSWERED, *KEPT_BACK]))
    answer = gateway.messages(BODY)
    for name, value in ANSWERED:
        assert answer.all(name) == [value]
    assert_nothing_leaked({name.lower(): value for name, value in answer.headers})
    assert answer.header("content-length") == "18"


def test_an_upstream_s_headers_on_a_stream(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    given = [(name, value) for name, value in [*ANSWERED, *KEPT_BACK] if name not in ("content-type", "request-id")]
    upstream.script(*stream(messages.events(), headers=given))
    answer = gateway.messages(STREAMED)
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    assert answer.header("anthropic-of-next-year") == "yes"
    assert answer.header("request-id") == "req_upstream"
    assert answer.header("content-length") is None
    assert_nothing_leaked({name.lower(): value for name, value in answer.headers})


def test_an_upstream_s_headers_on_an_error(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.script(framing.whole(400, b"{}", [*ANSWERED, *KEPT_BACK]))
    answer = gateway.messages(BODY)
    for name, value in ANSWERED:
        assert answer.all(name) == [value]
    assert_nothing_leaked({name.lower(): value for name, value in answer.headers})


def assert_nothing_leaked(headers: dict[str, str]) -> None:
    leaked = {name: value for name, value in headers.items() if (name, value) in KEPT_BACK}
    assert leaked == {}


def test_every_answer_has_a_request_id_of_ours(gateway: Gateway) -> None:
    ids = [gateway.get(path).header("x-request-id") for path in ("/healthz", "/nowhere", "/v1/models")]
    ids.append(gateway.messages(BODY).header("x-request-id"))
    ids.append(gateway.messages(b"broken").header("x-request-id"))
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_an_oauth_token_goes_as_a_bearer_with_its_beta(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    upstream.expected = [Expected.oauth("sk-ant-oat01-service")]
    gateway.load(
        [
            deployment(),
            secret("anthropic-oauth", "sk-ant-oat01-service"),
            binding("anthropic", upstream.url, secret="anthropic-oauth", oauth=True),
            policy("everyone"),
            developer_key("alice@corp.example"),
        ]
    )
    gateway.messages(BODY)
    assert upstream.last.header("anthropic-beta") == "oauth-2025-04-20"
    gateway.messages(BODY, headers=[("anthropic-beta", "a,b")])
    assert ",".join(upstream.last.all("anthropic-beta")).replace(" ", "") == "a,b,oauth-2025-04-20"
    gateway.messages(BODY, headers=[("anthropic-beta", "oauth-2025-04-20,b")])
    assert ",".join(upstream.last.all("anthropic-beta")).count("oauth-2025-04-20") == 1
