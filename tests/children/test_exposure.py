"""How developers reach a gateway: the Service, and what stands in front of it."""

from typing import Any

import pytest
from tests.children.gateways import gateway, made, of, without

from gateway_operator.children import Manifest
from gateway_operator.compiler import Severity

NGINX = "nginx.ingress.kubernetes.io/"
INGRESS = {"exposure": {"type": "Ingress"}}
ROUTE = {"exposure": {"type": "HTTPRoute", "httpRoute": {"parentRefs": [{"name": "edge", "namespace": "infra"}]}}}
TLS = {"secretName": "claude-tls"}


def _first_port(**spec: Any) -> tuple[str, int]:
    port = made(**spec)["Service/corp"]["spec"]["ports"][0]
    assert port["targetPort"] == port["name"]
    return port["name"], port["port"]


@pytest.mark.parametrize(
    ("spec", "port"),
    [
        ({}, ("http", 80)),
        (INGRESS, ("http", 80)),
        ({"exposure": {"tls": TLS}}, ("https", 443)),
        ({"exposure": {"tls": TLS}, "publicURL": "https://corp.claude.svc:8443"}, ("https", 8443)),
        ({"exposure": {"type": "Ingress", "tls": TLS}, "publicURL": "https://corp.example:9443"}, ("https", 443)),
        ({"exposure": {"type": "LoadBalancer"}}, ("http", 443)),
        ({"exposure": {"type": "LoadBalancer"}, "publicURL": "https://corp.example:9443"}, ("http", 9443)),
        ({"publicURL": "http://127.0.0.1:8080"}, ("http", 80)),
    ],
)
def test_the_services_first_port(spec: dict[str, Any], port: tuple[str, int]) -> None:
    assert _first_port(**spec) == port


@pytest.mark.parametrize("spec", [{}, INGRESS, ROUTE, {"exposure": {"type": "LoadBalancer"}}])
def test_metrics_and_admin_ports_are_not_on_it(spec: dict[str, Any]) -> None:
    assert len(made(**spec)["Service/corp"]["spec"]["ports"]) == 1


def test_a_load_balancer_is_the_service_itself() -> None:
    balancer = {"annotations": {"corp.example/internal": "true"}, "loadBalancerClass": "corp.example/nlb"}
    service = made(exposure={"type": "LoadBalancer", "loadBalancer": balancer})["Service/corp"]
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["loadBalancerClass"] == "corp.example/nlb"
    assert service["metadata"]["annotations"] == {"corp.example/internal": "true"}
    plain = made(exposure={"type": "LoadBalancer"})["Service/corp"]
    assert "loadBalancerClass" not in plain["spec"]
    assert "annotations" not in plain["metadata"]


def _ingress(**spec: Any) -> Manifest:
    return made(**spec)["Ingress/corp"]


def test_an_ingress_for_the_public_host() -> None:
    exposure = {"type": "Ingress", "ingress": {"className": "nginx", "tlsSecretName": "claude-tls"}}
    spec = _ingress(exposure=exposure)["spec"]
    (rule,) = spec["rules"]
    assert rule["host"] == "claude.corp.example"
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/", "Prefix")
    assert path["backend"] == {"service": {"name": "corp", "port": {"name": "http"}}}
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"hosts": ["claude.corp.example"], "secretName": "claude-tls"}]


def test_an_ingress_without_class_and_certificate() -> None:
    spec = _ingress(**INGRESS)["spec"]
    assert "ingressClassName" not in spec
    assert "tls" not in spec


@pytest.mark.parametrize("url", ["https://192.0.2.7", "https://[2001:db8::7]:8443"])
def test_an_address_is_no_host(url: str) -> None:
    assert "host" not in _ingress(publicURL=url, **INGRESS)["spec"]["rules"][0]
    assert "hostnames" not in made(publicURL=url, **ROUTE)["HTTPRoute/corp"]["spec"]


def test_nginx_neither_buffers_streams_nor_ends_them() -> None:
    annotations = _ingress(**INGRESS, http={"maxRequestBytes": 1000000})["metadata"]["annotations"]
    assert annotations == {
        f"{NGINX}proxy-buffering": "off",
        f"{NGINX}proxy-request-buffering": "off",
        f"{NGINX}proxy-http-version": "1.1",
        f"{NGINX}proxy-read-timeout": "3600",
        f"{NGINX}proxy-send-timeout": "3600",
        f"{NGINX}proxy-body-size": "1000000",
    }


def test_nginx_speaks_tls_to_pods_that_serve_it() -> None:
    ingress = _ingress(exposure={"type": "Ingress", "tls": TLS})
    assert ingress["metadata"]["annotations"][f"{NGINX}backend-protocol"] == "HTTPS"
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] == {"name": "https"}


def test_the_gateways_own_annotations_win() -> None:
    own = {f"{NGINX}proxy-read-timeout": "60", "cert-manager.io/cluster-issuer": "corp"}
    annotations = _ingress(exposure={"type": "Ingress", "ingress": {"annotations": own}})["metadata"]["annotations"]
    assert annotations.items() >= own.items()
    assert annotations[f"{NGINX}proxy-buffering"] == "off"


def test_a_route_has_no_end_to_a_request() -> None:
    spec = made(**ROUTE)["HTTPRoute/corp"]["spec"]
    assert spec["hostnames"] == ["claude.corp.example"]
    assert spec["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "infra"}
    ]
    (rule,) = spec["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "corp", "port": 80, "weight": 1}]


def test_a_route_to_one_listener() -> None:
    parents = [{"name": "edge", "sectionName": "https", "port": 443}]
    (parent,) = made(exposure={"type": "HTTPRoute", "httpRoute": {"parentRefs": parents}})["HTTPRoute/corp"]["spec"][
        "parentRefs"
    ]
    assert (parent["sectionName"], parent["port"]) == ("https", 443)
    assert "namespace" not in parent


def test_a_route_that_the_cluster_does_not_know() -> None:
    children = of(gateway(**ROUTE), settings=without("HTTPRoute"))
    (finding,) = children.findings
    assert (finding.path, finding.reason, finding.condition, finding.severity) == (
        "spec.exposure.type",
        "ExposureUnavailable",
        "ResolvedRefs",
        Severity.ERROR,
    )
    assert "CustomResourceDefinitions" in finding.message
    kinds = {child["kind"] for child in children.wanted}
    assert "HTTPRoute" not in kinds
    assert {"Deployment", "Service"} <= kinds
