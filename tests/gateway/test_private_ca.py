"""An upstream whose certificate a company's own authority has signed."""

import ssl
from collections.abc import Iterator

import pytest
import trustme
from tests.standins import messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.authorities import TRAITS, Authority, Traits
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import NAMESPACE, Manifest, smallest

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'
TRUSTING = {
    "egress": {"allowLoopback": True, "caRef": {"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"}},
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_upstream(authority: trustme.CA) -> Iterator[AnthropicUpstream]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with AnthropicUpstream(tls=context) as upstream:
        yield upstream
        assert upstream.problems == []


def config_map(pem: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "corp-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": pem},
    }


def test_it_is_reached_with_its_authority(
    gateway: Gateway, tls_upstream: AnthropicUpstream, authority: trustme.CA
) -> None:
    gateway.load([*smallest(tls_upstream.url, **TRUSTING), config_map(authority.cert_pem.bytes().decode())])
    assert gateway.messages(BODY).status == 200
    assert gateway.messages(STREAMED).body == b"".join(messages.events())
    assert tls_upstream.connections == 1, "the second request went the same way"


def test_without_it_nothing_is_sent(gateway: Gateway, tls_upstream: AnthropicUpstream) -> None:
    gateway.load(smallest(tls_upstream.url))
    answer = gateway.messages(BODY)
    assert (answer.status, answer.error[0]) == (502, "api_error")
    assert tls_upstream.requests == []
    eventually(
        lambda: any("the certificate is not trusted" in line["message"] for line in gateway.logs()), what="the log line"
    )


def test_an_authority_that_comes_later_is_taken_up_by_a_reload(
    gateway: Gateway, tls_upstream: AnthropicUpstream, authority: trustme.CA
) -> None:
    gateway.load(smallest(tls_upstream.url))
    assert gateway.messages(BODY).status == 502
    gateway.load([*smallest(tls_upstream.url, **TRUSTING), config_map(authority.cert_pem.bytes().decode())])
    assert gateway.messages(BODY).status == 200


@pytest.mark.parametrize("traits", TRAITS.values(), ids=TRAITS)
@pytest.mark.parametrize("root_trusted", [True, False], ids=["by-its-root", "without-its-root"])
def test_an_authority_is_taken_as_companies_have_it(gateway: Gateway, traits: Traits, root_trusted: bool) -> None:
    root = Authority(traits)
    intermediate = Authority(traits, issuer=root)
    with AnthropicUpstream(tls=intermediate.server()) as upstream:
        trusted = root if root_trusted else intermediate
        gateway.load([*smallest(upstream.url, **TRUSTING), config_map(trusted.pem)])
        assert gateway.messages(BODY).status == 200
