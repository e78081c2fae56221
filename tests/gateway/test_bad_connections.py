"""Upstreams to which no connection comes about, or none that may be trusted: each is a failure like any other, its
cause is in the log, and the next upstream is tried (docs/upstream-failures.md)."""

import datetime
import itertools
import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme
from tests.standins import framing
from tests.standins.anthropic_upstream import AnthropicUpstream, End, Gate
from tests.standins.gateway import Gateway
from tests.standins.manifests import NAMESPACE, Manifest, binding, secret, serving
from tests.standins.ports import refusing_port

BODY = b'{"model":"claude-sonnet-5-5"}'
FAILED = "claude_gateway_upstream_attempts_failed_total"
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def second() -> Iterator[AnthropicUpstream]:
    with AnthropicUpstream() as server:
        yield server
        assert server.problems == []


def certified(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "untrusted": lambda _: trustme.CA().issue_cert("127.0.0.1"),
    "expired": lambda ca: ca.issue_cert("127.0.0.1", not_before=PAST, not_after=PAST),
    "of another name": lambda ca: ca.issue_cert("other.example"),
}
_NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """Of a binding that no other test has: the log tells of each failure of one upstream once in ten seconds."""
    return f"first-{next(_NUMBERS)}"


def two(name: str, url: str, second: AnthropicUpstream, authority: trustme.CA, **timeouts: str) -> list[Manifest]:
    trusted = {"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"}
    data = {"ca.crt": authority.cert_pem.bytes().decode()}
    return [
        *serving(
            secret(),
            binding(name, url, priority=10, **({"timeouts": timeouts} if timeouts else {})),
            binding("second", second.url),
            egress={"allowLoopback": True, "caRef": trusted},
        ),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "corp-ca", "namespace": NAMESPACE},
            "data": data,
        },
    ]


def assert_passed_over(gateway: Gateway, name: str, reason: str, logged: str) -> None:
    upstream = f"claude/{name}"
    answer = gateway.messages(BODY)
    assert answer.status == 200
    line = gateway.audit_of(answer)
    assert (line["upstream"], line["passed_over"]) == ("claude/second", {upstream: reason})
    assert gateway.metric(FAILED, upstream=upstream, reason=reason) == 1
    line = gateway.log_of("upstream.failed", upstream=upstream)
    assert logged in line["message"]


@pytest.mark.parametrize("issue", CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_a_certificate_that_does_not_hold(
    gateway: Gateway,
    second: AnthropicUpstream,
    authority: trustme.CA,
    issue: Callable[[trustme.CA], trustme.LeafCert],
    name: str,
) -> None:
    with AnthropicUpstream(tls=certified(issue(authority))) as first:
        gateway.load(two(name, first.url, second, authority))
        assert_passed_over(gateway, name, "Connect", "the certificate is not trusted")
        assert first.requests == []


def test_tls_where_none_is_spoken(
    gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, name: str
) -> None:
    with AnthropicUpstream() as first:
        gateway.load(two(name, first.url.replace("http:", "https:"), second, authority))
        assert_passed_over(gateway, name, "Connect", "no connection")


def test_no_such_host(gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, name: str) -> None:
    gateway.load(two(name, "http://no-such-host.invalid", second, authority))
    assert_passed_over(gateway, name, "Connect", "no connection")


def test_nobody_listens(gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, name: str) -> None:
    with refusing_port() as port:
        gateway.load(two(name, f"http://127.0.0.1:{port}", second, authority))
        assert_passed_over(gateway, name, "Connect", "no connection")


@pytest.mark.parametrize("begun", [b"", b"H", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-str"])
def test_no_whole_head_in_time(
    gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, begun: bytes, name: str
) -> None:
    with AnthropicUpstream() as first:
        gateway.load(two(name, first.url, second, authority, firstByte="1s"))
        first.script(*([begun] if begun else []), Gate())
        assert_passed_over(gateway, name, "Timeout", "no response within 1 s")


@pytest.mark.parametrize("stream", [True, False])
def test_silence_before_the_first_event_or_the_whole_answer(
    gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, stream: bool, name: str
) -> None:
    body = b'{"model":"claude-sonnet-5-5","stream":%b}' % (b"true" if stream else b"false")
    begun = framing.stream_head() if stream else framing.head(200, [("content-length", "9000")])
    with AnthropicUpstream() as first:
        gateway.load(two(name, first.url, second, authority, idle="1s"))
        first.script(begun, framing.chunk(b"event: mes") if stream else b'{"type":', Gate())
        answer = gateway.messages(body)
        assert answer.status == 200
        assert gateway.audit_of(answer)["passed_over"] == {f"claude/{name}": "Reset"}


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("lone", [True, False])
def test_a_credential_that_is_refused(
    gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, status: int, lone: bool, name: str
) -> None:
    """Expired and denied ones: the next upstream is tried; alone, the client gets the upstream's words."""
    with AnthropicUpstream() as first:
        manifests = two(name, first.url, second, authority)
        gateway.load([one for one in manifests if not (lone and one["metadata"]["name"] == "second")])
        first.respond = lambda request: [framing.error_answer(status, "authentication_error", "expired")]
        answer = gateway.messages(BODY)
        assert answer.status == (status if lone else 200)
        assert gateway.metric(FAILED, upstream=f"claude/{name}", reason=str(status)) == 1
        line = gateway.log_of("upstream.failed", upstream=f"claude/{name}", level="error")
        assert "refused the gateway's credential" in line["message"]


def test_a_reset_before_any_byte(gateway: Gateway, second: AnthropicUpstream, authority: trustme.CA, name: str) -> None:
    with AnthropicUpstream() as first:
        gateway.load(two(name, first.url, second, authority))
        first.respond = lambda request: [End.RESET]
        assert_passed_over(gateway, name, "Reset", "closed the connection")
