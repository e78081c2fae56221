"""Where requests may come from: rules on the client's address, over real connections."""

import socket
from typing import Any

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import connect, fetch

BODY = b'{"model":"claude-sonnet-5-5"}'
BALANCER = ["127.0.0.0/8"]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def load(gateway: Gateway, upstream: AnthropicUpstream, **http: Any) -> None:
    gateway.load(smallest(upstream.url, http=http))


@pytest.fixture
def behind_a_balancer(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    """The test's own connections are the load balancer's; 192.0.2.0/24 may use the gateway, but for 192.0.2.66."""
    load(gateway, upstream, trustedProxies=BALANCER, allowCIDRs=["192.0.2.0/24"], denyCIDRs=["192.0.2.66"])
    return gateway


def test_an_address_that_may_not_come_is_refused_first(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, denyCIDRs=["127.0.0.0/8"])
    before = gateway.metric("claude_gateway_refusals_total", reason="AddressDenied")
    answer = gateway.messages(BODY)
    kind, message = answer.error
    assert (answer.status, kind) == (403, "permission_error")
    assert "127.0.0.1" in message
    assert "administrator" in message
    line = gateway.audit_of(answer)
    assert (
        line.items()
        >= {"event": "access.denied", "reason": "AddressDenied", "client": "127.0.0.1", "status": 403}.items()
    )
    assert "sub" not in line, "nobody looked at the key"
    assert gateway.metric("claude_gateway_refusals_total", reason="AddressDenied") == before + 1
    assert upstream.requests == []


@pytest.mark.parametrize(
    "target",
    ["/", "/protocol", "/v1/models", "/v1/messages", "/v1/messages/count_tokens", "/api/hello", "/no/such/path"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_path_is_closed_to_it(gateway: Gateway, upstream: AnthropicUpstream, method: str, target: str) -> None:
    load(gateway, upstream, allowCIDRs=["192.0.2.0/24"])
    assert fetch(gateway.port, method, target, headers=gateway.headers()).status == 403


def test_probes_are_open_to_every_address(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, denyCIDRs=["0.0.0.0/0", "::/0"])
    assert [gateway.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.5", 200),
        ("192.0.2.66", 403),
        ("203.0.113.7", 403),
        ("192.0.2.5, 203.0.113.7", 403),
        ("203.0.113.7, 192.0.2.5", 200),
        ("192.0.2.5, 127.0.0.9", 200),
        ("192.0.2.5, unknown", 403),
        (None, 403),
    ],
)
def test_the_balancer_says_who_it_is_and_spoofed_entries_are_ignored(
    behind_a_balancer: Gateway, forwarded: str | None, status: int
) -> None:
    headers = [("x-forwarded-for", forwarded)] if forwarded else []
    assert behind_a_balancer.messages(BODY, headers=headers).status == status


def test_without_trust_the_header_says_nothing(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    load(gateway, upstream, denyCIDRs=["192.0.2.0/24"])
    answer = gateway.messages(BODY, headers=[("x-forwarded-for", "192.0.2.5")])
    assert answer.status == 200
    assert gateway.audit_of(answer)["client"] == "127.0.0.1"


def test_audit_lines_name_the_client(behind_a_balancer: Gateway) -> None:
    headers = [("x-forwarded-for", "192.0.2.5")]
    for answer in (
        behind_a_balancer.messages(BODY, headers=headers),
        behind_a_balancer.messages(BODY, headers=headers, user="nobody"),
        fetch(behind_a_balancer.port, "GET", "/v1/models", headers=headers),
    ):
        assert behind_a_balancer.audit_of(answer)["client"] == "192.0.2.5"


def test_a_change_holds_for_the_next_request_of_a_connection(gateway: Gateway, upstream: AnthropicUpstream) -> None:
    with connect(gateway.port) as connection:
        assert connection.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY).status == 200
        load(gateway, upstream, denyCIDRs=["127.0.0.1"])
        answer = connection.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY)
        assert answer.status == 403
        load(gateway, upstream)
        assert connection.request("POST", "/v1/messages", headers=gateway.headers(), body=BODY).status == 200


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv4_is_the_same_on_a_socket_of_both(own_gateway: Gateway, upstream: AnthropicUpstream) -> None:
    own_gateway.load(smallest(upstream.url, http={"denyCIDRs": ["127.0.0.1"]}))
    own_gateway.start("--listen", "[::]:0")
    answer = eventually(lambda: own_gateway.messages(BODY), what="an answer")
    assert answer.status == 403
