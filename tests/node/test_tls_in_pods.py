"""TLS that ends in the pods: probes, the Service, and a certificate that is renewed under running connections."""

import base64
import ssl
from pathlib import Path

import pytest
import trustme
from tests.node.gateways import BODY, Gateways, NodeGateway
from tests.node.ingress_proxies import IngressProxy
from tests.node.kubernetes import ADDRESS, Kube, Manifest, eventually, reference
from tests.standins.raw_client import Connection, Response, fetch

TARGET = "/v1/messages?beta=true"


def tls_secret(namespace: str, authority: trustme.CA) -> Manifest:
    pair = authority.issue_cert("gateway.test")
    chain = b"".join(blob.bytes() for blob in pair.cert_chain_pems)
    data = {"tls.crt": chain, "tls.key": pair.private_key_pem.bytes()}
    return reference("v1", "Secret", namespace, "corp-tls") | {
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def ask(gateway: NodeGateway, context: ssl.SSLContext) -> Response:
    headers = gateway.headers()
    return fetch(gateway.port, "POST", TARGET, headers=headers, body=BODY, host=gateway.host, tls=context)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(kube: Kube, gateways: Gateways, namespace: str, authority: trustme.CA) -> NodeGateway:
    kube.apply_all([tls_secret(namespace, authority)])
    exposure = {"type": "Ingress", "tls": {"secretName": "corp-tls"}}
    return gateways(namespace=namespace, exposure=exposure)


def test_pods_speak_https_and_take_up_a_renewed_certificate(
    kube: Kube, secured: NodeGateway, authority: trustme.CA, tmp_path: Path
) -> None:
    assert secured.port == 443
    assert ask(secured, trusting(authority)).status == 200
    ingress = secured.child("networking.k8s.io/v1", "Ingress")
    assert ingress is not None
    with IngressProxy(ingress, backend=f"{secured.host}:{secured.port}", folder=tmp_path) as proxy:
        through = fetch(proxy.port, "POST", TARGET, headers=secured.headers(), body=BODY, host=ADDRESS)
    assert through.status == 200

    other = trustme.CA()
    old = Connection(secured.port, host=secured.host, tls=trusting(authority))
    assert old.request("POST", TARGET, headers=secured.headers(), body=BODY).status == 200
    (pod,) = secured.pods()
    kube.apply_all([tls_secret(secured.namespace, other)])
    # without it, the kubelet takes up to a minute and a half
    name = reference("v1", "Pod", secured.namespace, pod["metadata"]["name"])
    kube.merge(name, {"metadata": {"annotations": {"tests/renewed": "yes"}}})

    def renewed() -> bool:
        try:
            return ask(secured, trusting(other)).status == 200
        except ssl.SSLError:
            return False

    eventually(renewed, within=100, what="the new certificate is shown")
    assert old.request("POST", TARGET, headers=secured.headers(), body=BODY).status == 200
    old.close()
    (after,) = secured.pods()
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_missing_certificate_is_named(kube: Kube, gateways: Gateways, authority: trustme.CA) -> None:
    gateway = gateways(ready=False, exposure={"tls": {"secretName": "corp-tls"}})
    said = gateway.wait_condition("GatewayDeployment", gateway.name, "ResolvedRefs", status="False")
    assert said["reason"] == "SecretNotFound"
    assert "spec.exposure.tls.secretName" in said["message"]
    assert "corp-tls" in said["message"]
    kube.apply_all([tls_secret(gateway.namespace, authority)])
    gateway.wait_ready()
