"""Address rules, limits and billing groups for people who signed in."""

import base64
import json

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import eventually
from tests.standins.manifests import binding, policy
from tests.standins.raw_client import Response, fetch
from tests.standins.sign_in import FORM, SignInWorld, Tokens, tokens_of

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 1, "messages": []}
ENGINEERS = [{"groups": ["engineering"]}]


def ask(world: SignInWorld, tokens: Tokens, *, pod: int = 0, **members: object) -> Response:
    headers = [("authorization", f"Bearer {tokens.access}"), ("content-type", "application/json")]
    return fetch(world.ports[pod], "POST", "/v1/messages", headers=headers, body=json.dumps(BODY | members).encode())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/.well-known/oauth-authorization-server"),
        ("POST", "/oauth/device_authorization"),
        ("GET", "/device"),
        ("POST", "/device"),
        ("POST", "/device/deny"),
        ("GET", "/oauth/callback"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/revoke"),
        ("GET", "/managed/settings"),
        ("GET", "/v1/organizations/sessions"),
    ],
)
def test_who_may_not_come_may_not_sign_in(world: SignInWorld, method: str, path: str) -> None:
    world.load(http={"denyCIDRs": ["127.0.0.1"]})
    body = b"" if method == "POST" else None
    answer = fetch(world.gateway.port, method, path, headers=[FORM, ("origin", world.url)], body=body)
    assert answer.status == 403
    assert world.gateway.audit_of(answer)["reason"] == "AddressDenied"


def test_a_session_ends_at_the_door_of_another_network(world: SignInWorld) -> None:
    world.load(http={"trustedProxies": ["127.0.0.1"], "allowCIDRs": ["192.0.2.0/24", "127.0.0.1"]})
    tokens = world.sign_in()
    headers = [("authorization", f"Bearer {tokens.access}")]
    for address, status in (("192.0.2.7", 200), ("203.0.113.7", 403)):
        forwarded = [*headers, ("x-forwarded-for", address)]
        assert fetch(world.gateway.port, "GET", "/v1/models", headers=forwarded).status == status


def test_a_new_token_is_no_new_minute(world: SignInWorld, upstream: AnthropicUpstream) -> None:
    limited = policy("limited", priority=9, matches=ENGINEERS, rateLimits={"requestsPerMinute": 4})
    world.load(binding("real", upstream.url, priority=1), limited)
    eventually(
        lambda: {pod.metric("claude_gateway_live_pods") for pod in world.pods} == {2},
        what="pods that know of each other",
    )
    tokens = world.sign_in()
    assert [ask(world, tokens).status for _ in range(2)] == [200, 200]
    again = tokens_of(world.refresh(tokens.refresh))
    other = world.sign_in()
    assert [ask(world, one).status for one in (tokens, again, other)] == [429, 429, 429]
    assert [ask(world, again, pod=1).status for _ in range(3)] == [200, 200, 429], "the other pod has the other half"


def test_the_group_of_a_session_is_billed(world: SignInWorld, upstream: AnthropicUpstream) -> None:
    world.load(binding("real", upstream.url, priority=1), spend={"billingGroupTag": "cost-center"})
    tokens = world.sign_in()
    payload = tokens.access.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["billing_group_tag"] == "cost-center", "where the client finds the name of the tag"
    answer = ask(world, tokens, tags={"cost-center": claims["groups"][0]})
    assert answer.status == 200
    assert world.gateway.audit_of(answer)["billing_group"] == claims["groups"][0]
    assert "tags" not in upstream.last.json()
