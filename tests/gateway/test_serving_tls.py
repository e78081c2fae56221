"""The service port with a certificate of a mounted Secret: what it speaks, and how it follows the Secret."""

import ssl
import subprocess
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.proxy import kubelet
from tests.proxy.processes import ANYWHERE, PROGRAM
from tests.standins import framing, messages
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.raw_client import Connection, connect, request_bytes

BODY = b'{"model":"claude-sonnet-5-5"}'
STREAMED = b'{"model":"claude-sonnet-5-5","stream":true}'


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def issued(authority: trustme.CA) -> dict[str, bytes]:
    """A new pair, as a Secret of type kubernetes.io/tls holds it."""
    made = authority.issue_cert("gateway.test")
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    return {"tls.crt": chain, "tls.key": made.private_key_pem.bytes()}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def trusting_nobody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def start(gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, folder: Path, *arguments: str) -> None:
    kubelet.project(folder, issued(authority))
    gateway.load(smallest(upstream.url, drain="60s"))
    gateway.tls = trusting(authority)
    gateway.start("--tls-dir", str(folder), *arguments)


def certificate_of(gateway: Gateway, *, named: bool = True) -> bytes:
    """What a client is shown that names the server, or one that does not."""
    context = trusting_nobody()
    with connect(gateway.port) as client:
        client.socket = context.wrap_socket(client.socket, server_hostname="gateway.test" if named else None)
        shown = client.socket.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def test_requests_and_streams(
    own_gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, tmp_path: Path
) -> None:
    gateway = own_gateway
    start(gateway, upstream, authority, tmp_path / "tls")
    large = b'{"model":"claude-sonnet-5-5","pad":"' + b"x" * 3_000_000 + b'"}'
    with connect(gateway.port, tls=gateway.tls) as client:
        for body in (BODY, large, BODY):
            answer = client.request("POST", "/v1/messages", headers=gateway.headers(), body=body)
            assert (answer.status, answer.json()["type"]) == (200, "message")
    assert gateway.messages(STREAMED).body == b"".join(messages.events())
    assert gateway.status()["ready"], "the admin port stays as it is"
    assert gateway.metric("claude_gateway_tls_loads_total") == 1


def test_what_it_speaks(
    own_gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, tmp_path: Path
) -> None:
    gateway = own_gateway
    start(gateway, upstream, authority, tmp_path / "tls")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting(authority)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with connect(gateway.port, tls=context) as client:
            assert client.socket.selected_alpn_protocol() == "http/1.1"  # type: ignore[attr-defined]
            assert client.request("GET", "/healthz").status == 200
    assert certificate_of(gateway, named=False) == certificate_of(gateway)
    with connect(gateway.port) as client:
        client.send(request_bytes("GET", "/healthz", ()))
        assert client.at_end(), "plain http gets nothing"


def test_a_new_pair_is_served_to_who_connects_from_then_on(
    own_gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, tmp_path: Path
) -> None:
    gateway = own_gateway
    start(gateway, upstream, authority, tmp_path / "tls")
    before = certificate_of(gateway)
    with connect(gateway.port, tls=gateway.tls) as kept:
        assert kept.request("GET", "/healthz").status == 200
        kubelet.project(tmp_path / "tls", issued(authority))
        eventually(lambda: certificate_of(gateway) != before, what="the new certificate")
        assert certificate_of(gateway, named=False) == certificate_of(gateway)
        assert kept.request("GET", "/healthz").status == 200, "a connection outlives its certificate"
    assert gateway.messages(BODY).status == 200


def test_a_broken_pair_leaves_the_one_before(
    own_gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, tmp_path: Path
) -> None:
    gateway = own_gateway
    start(gateway, upstream, authority, tmp_path / "tls")
    before = certificate_of(gateway)
    kubelet.project(tmp_path / "tls", {**issued(authority), "tls.key": issued(authority)["tls.key"]})
    eventually(lambda: gateway.metric("claude_gateway_tls_load_failed") == 1, what="the failure as a metric")
    line = gateway.log_of("tls.refused")
    assert "the key is not the certificate's" in line["message"]
    assert certificate_of(gateway) == before
    kubelet.project(tmp_path / "tls", issued(authority))
    eventually(lambda: certificate_of(gateway) != before, what="the repaired pair")
    eventually(lambda: gateway.metric("claude_gateway_tls_load_failed") == 0, what="the repair as a metric")


def test_a_drain_ends_in_order(
    own_gateway: Gateway, upstream: AnthropicUpstream, authority: trustme.CA, tmp_path: Path
) -> None:
    gateway = own_gateway
    start(gateway, upstream, authority, tmp_path / "tls", "--drain-accept", "0.5")
    size = 3_000_000
    upstream.respond = lambda request: [framing.json_answer({"type": "message", "pad": "x" * size})]
    slow = gateway.begin(BODY)
    gateway.wait_for_audit(1)
    idle = Connection(gateway.port, tls=gateway.tls)
    assert idle.request("GET", "/healthz").status == 200
    gateway.signal("SIGTERM")
    assert idle.at_end()
    idle.close()
    assert slow.response().body.count(b"x") >= size, "an answer that its client had not taken yet"
    slow.close()
    assert gateway.wait_for_exit() == 0


def encrypted(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )


@pytest.mark.parametrize("what", ["nothing", "no key", "no PEM", "encrypted"])
def test_without_a_usable_pair_it_does_not_start(authority: trustme.CA, tmp_path: Path, what: str) -> None:
    files = issued(authority)
    if what == "no key":
        del files["tls.key"]
    elif what == "no PEM":
        files["tls.crt"] = b"no certificate"
    elif what == "encrypted":
        files["tls.key"] = encrypted(files["tls.key"])
    if what != "nothing":
        kubelet.project(tmp_path / "tls", files)
    done = subprocess.run(
        [PROGRAM, "--config", str(tmp_path), *ANYWHERE, "--tls-dir", str(tmp_path / "tls")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot serve TLS" in done.stderr
    assert str(tmp_path / "tls") in done.stderr
    assert ("tls.key" if what == "no key" else "tls.crt") in done.stderr
