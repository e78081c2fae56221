"""How a gateway is reached from outside and who may reach its pods."""

from typing import Annotated

from pydantic import Field

from gateway_operator.api.v1alpha1.addresses import Block
from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc, member_rules
from gateway_operator.api.v1alpha1.lists import ATOMIC, set_list
from gateway_operator.api.v1alpha1.references import LabelSelector
from gateway_operator.api.v1alpha1.scalars import Label, Subdomain

Annotations = Annotated[dict[str, Annotated[str, Field(max_length=16384)]], Field(max_length=64)]


class ExposureType(Choice):
    INGRESS = "Ingress"
    HTTP_ROUTE = "HTTPRoute"
    LOAD_BALANCER = "LoadBalancer"
    CLUSTER_IP = "ClusterIP"


class IngressExposure(Model):
    """An Ingress for the host of `publicURL`."""

    class_name: Annotated[
        Subdomain | None, doc("IngressClass. Default: the cluster's default class.", example="nginx")
    ] = None
    tls_secret_name: Annotated[
        Subdomain | None,
        doc(
            "Secret of type kubernetes.io/tls with the certificate. Default: none, TLS ends elsewhere.",
            example="claude-tls",
        ),
    ] = None
    annotations: Annotated[
        Annotations,
        doc(
            "Annotations of the Ingress. They win over those that every Ingress gets, which keep streams alive in "
            "ingress-nginx. Default: none.",
            example={"cert-manager.io/cluster-issuer": "corp"},
        ),
    ] = {}


class ParentRef(Model):
    """A Gateway (Gateway API) that the route attaches itself to."""

    name: Annotated[Subdomain, doc("Name of the Gateway.", example="edge")]
    namespace: Annotated[Label | None, doc("Its namespace. Default: the GatewayDeployment's own.", example="infra")] = (
        None
    )
    section_name: Annotated[
        Subdomain | None, doc("One of its listeners. Default: every listener that fits.", example="https")
    ] = None
    port: Annotated[int | None, doc("Port of the listener. Default: every port.", example=443, ge=1, le=65535)] = None


class HTTPRouteExposure(Model):
    """An HTTPRoute (Gateway API) for the host of `publicURL`."""

    parent_refs: Annotated[
        list[ParentRef],
        doc(
            "The Gateways that take the route.",
            example=[{"name": "edge", "namespace": "infra"}],
            min_length=1,
            max_length=32,
        ),
        ATOMIC,
    ]


class LoadBalancerExposure(Model):
    """A Service of type LoadBalancer."""

    annotations: Annotated[
        Annotations,
        doc(
            "Annotations of the Service. Default: none.",
            example={"service.beta.kubernetes.io/aws-load-balancer-internal": "true"},
        ),
    ] = {}
    load_balancer_class: Annotated[
        str,
        doc(
            "Class of the load balancer. Default, and when empty: the cluster's.",
            example="service.k8s.aws/nlb",
            max_length=253,
        ),
    ] = ""


class PodTLS(Model):
    """TLS that the pods themselves serve."""

    secret_name: Annotated[Subdomain, doc("Secret of type kubernetes.io/tls.", example="claude-tls")]


class Exposure(Model):
    """How developers reach the gateway."""

    type: Annotated[
        ExposureType,
        doc(
            "Ingress, HTTPRoute and LoadBalancer make such an object; ClusterIP leaves it at a Service "
            "inside the cluster.",
            example="Ingress",
        ),
    ] = ExposureType.CLUSTER_IP
    ingress: Annotated[IngressExposure | None, doc("With type Ingress. Default: the cluster's class, no TLS.")] = None
    http_route: Annotated[
        HTTPRouteExposure | None, doc("With type HTTPRoute, where it is required. Default: none.")
    ] = None
    load_balancer: Annotated[
        LoadBalancerExposure | None, doc("With type LoadBalancer. Default: the cluster's class.")
    ] = None
    tls: Annotated[
        PodTLS | None, doc("The pods themselves serve TLS, with every type. Default: plain HTTP inside the cluster.")
    ] = None

    object_rules = (
        *member_rules("ingress", "ingress", "Ingress", required=False),
        *member_rules("httpRoute", "http_route", "HTTPRoute"),
        *member_rules("loadBalancer", "load_balancer", "LoadBalancer", required=False),
    )


class IPBlock(Model):
    """A network, or a network without parts of it."""

    cidr: Annotated[Block, doc("The network.", example="10.0.0.0/8")]
    except_: Annotated[
        list[Block],
        doc("Parts of it that are left out. Default: none.", example=["10.9.0.0/16"], max_length=32),
        set_list(),
    ] = []


class NetworkPeer(Model):
    """Pods or addresses: as in a NetworkPolicy."""

    pod_selector: Annotated[
        LabelSelector | None,
        doc(
            "Pods, in the gateway's namespace unless `namespaceSelector` says another. "
            "Default: every pod of the namespaces that `namespaceSelector` takes."
        ),
    ] = None
    namespace_selector: Annotated[
        LabelSelector | None,
        doc("Namespaces: all their pods, or those that `podSelector` takes. Default: the gateway's own."),
    ] = None
    ip_block: Annotated[
        IPBlock | None, doc("Addresses outside the cluster; excludes the selectors. Default: none.")
    ] = None

    object_rules = (
        Rule(
            cel="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
            message="give ipBlock, or podSelector and namespaceSelector, not both and not neither",
            holds=lambda it: (
                (it.ip_block is not None) != (it.pod_selector is not None or it.namespace_selector is not None)
            ),
        ),
    )


class NetworkPolicySpec(Model):
    """The NetworkPolicy around the pods. The admin port is the operator's alone in any case."""

    enabled: Annotated[bool, doc("Whether there is one.", example=True)] = True
    ingress_from: Annotated[
        list[NetworkPeer],
        doc("Who may reach the gateway's port. Default: everyone.", max_length=32),
        ATOMIC,
    ] = []
    metrics_from: Annotated[
        list[NetworkPeer],
        doc("Who may reach the metrics port. Default: every pod of the cluster.", max_length=32),
        ATOMIC,
    ] = []
