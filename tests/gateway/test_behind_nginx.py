"""Client addresses behind two real proxies, as they stand before a gateway: a load balancer and an ingress controller.

Everything on Linux's 127.0.0.0/8, of which each address may be a machine of its own.
"""

import http.client
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.standins.anthropic_upstream import AnthropicUpstream
from tests.standins.gateway import Gateway, eventually
from tests.standins.manifests import smallest
from tests.standins.ports import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's whole 127.0.0.0/8")

PACKAGES = Path(__file__).parents[1] / "packages"
BALANCER, INGRESS, OFFICE, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.5", "127.0.0.66"
CONFIGURATION = """
daemon off;
master_process off;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_http_version 1.1;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    server {{
        listen 127.0.0.1:{outer};
        location / {{ proxy_bind {balancer}; proxy_pass http://127.0.0.1:{inner}; }}
    }}
    server {{
        listen 127.0.0.1:{inner};
        location / {{ proxy_bind {ingress}; proxy_pass http://127.0.0.1:{gateway}; }}
    }}
}}
"""
BODY = b'{"model":"claude-sonnet-5-5"}'


@pytest.fixture(scope="module")
def proxies(
    shared_gateway: Gateway, shared_upstream: AnthropicUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The load balancer's port."""
    subprocess.run([PACKAGES, "install", "nginx=nginx-light"], check=True)
    shared_gateway.begin_test(smallest(shared_upstream.url))
    folder = tmp_path_factory.mktemp("nginx")
    outer, inner = free_port(), free_port()
    file = folder / "nginx.conf"
    file.write_text(
        CONFIGURATION.format(
            folder=folder, outer=outer, inner=inner, gateway=shared_gateway.port, balancer=BALANCER, ingress=INGRESS
        )
    )
    program = "/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "nginx"
    process = subprocess.Popen([program, "-c", str(file), "-p", str(folder)], stderr=subprocess.PIPE)
    try:
        eventually(lambda: _status(outer, OFFICE, "/healthz") == 200, what="nginx answering")
        yield outer
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _status(port: int, source: str, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(source, 0))
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def ask(port: int, source: str, *forwarded: str) -> tuple[int, bytes]:
    """An inference request from that address, with `X-Forwarded-For` headers that the client made up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(source, 0))
    try:
        connection.putrequest("POST", "/v1/messages")
        for name, value in [*Gateway.headers(), *(("X-Forwarded-For", entry) for entry in forwarded)]:
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(BODY)))
        connection.endheaders(BODY)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def office_only(gateway: Gateway, upstream: AnthropicUpstream) -> Gateway:
    rules = {"trustedProxies": [BALANCER, INGRESS], "allowCIDRs": [f"{OFFICE}/32"]}
    gateway.load(smallest(upstream.url, http=rules))
    return gateway


def test_the_office_is_seen_through_both(proxies: int, office_only: Gateway) -> None:
    status, _ = ask(proxies, OFFICE)
    assert status == 200
    (line,) = office_only.wait_for_audit(1)
    assert line["client"] == OFFICE


@pytest.mark.parametrize(
    "forwarded", [(), (OFFICE,), (f"{OFFICE}, {BALANCER}",), (OFFICE, INGRESS), (f"{OFFICE},", " "), ("x" * 4000,)]
)
def test_a_stranger_stays_one_whatever_it_claims(
    proxies: int, office_only: Gateway, upstream: AnthropicUpstream, forwarded: tuple[str, ...]
) -> None:
    status, body = ask(proxies, STRANGER, *forwarded)
    assert status == 403
    assert f"your address {STRANGER}:".encode() in body
    assert upstream.requests == []


def test_with_one_of_the_two_forgotten_the_other_is_everybody_s_address(
    proxies: int, gateway: Gateway, upstream: AnthropicUpstream
) -> None:
    gateway.load(smallest(upstream.url, http={"trustedProxies": [INGRESS], "allowCIDRs": [f"{OFFICE}/32"]}))
    status, body = ask(proxies, OFFICE)
    assert status == 403
    assert f"your address {BALANCER}:".encode() in body
