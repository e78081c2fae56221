"""Paths that ask for no key: health, connection warming, the contract, and how to connect."""

import pytest
from tests.standins.gateway import Gateway
from tests.standins.raw_client import connect, fetch


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/protocol"])
def test_it_is_open(gateway: Gateway, path: str) -> None:
    answer = gateway.get(path)
    assert answer.status == 200
    assert answer.body
    head = fetch(gateway.port, "HEAD", path)
    assert (head.status, head.body) == (200, b"")


def test_the_client_warms_its_connection(gateway: Gateway) -> None:
    with connect(gateway.port) as client:
        assert client.request("HEAD", "/api/hello").status == 200
        body = b'{"model":"claude-sonnet-5-5"}'
        assert client.request("POST", "/v1/messages", headers=gateway.headers(), body=body).status == 200


def test_the_landing_page_tells_how_to_connect(gateway: Gateway) -> None:
    answer = gateway.get("/")
    page = answer.body.decode()
    assert (answer.header("content-type") or "").startswith("text/html")
    assert "https://claude.corp.example" in page
    assert "ANTHROPIC_BASE_URL" in page
    assert "ANTHROPIC_AUTH_TOKEN" in page
    assert "default-src 'none'" in (answer.header("content-security-policy") or "")
    assert answer.header("x-content-type-options") == "nosniff"


def test_the_contract_is_served(gateway: Gateway) -> None:
    page = gateway.get("/protocol").body.decode()
    assert "/v1/messages" in page
    assert "count_tokens" in page


def test_it_sends_nobody_elsewhere(gateway: Gateway) -> None:
    """A client follows no redirect with its key."""
    for path in ("/v1/models", "/v1/models?limit=1000", "/v1/models/", "/v1", "/api/hello", "/protocol/", "//"):
        assert not 300 <= gateway.get(path).status < 400
