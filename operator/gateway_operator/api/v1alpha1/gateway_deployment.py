"""GatewayDeployment: one gateway."""

from typing import Annotated, Literal

from gateway_operator.api.v1alpha1.addresses import Origin
from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc
from gateway_operator.api.v1alpha1.catalogue import Models
from gateway_operator.api.v1alpha1.exposure import Exposure, NetworkPolicySpec
from gateway_operator.api.v1alpha1.identity import Identity, Session
from gateway_operator.api.v1alpha1.metadata import GATEWAY_NAME_RULE, ObjectMeta
from gateway_operator.api.v1alpha1.pods import Autoscaling, DisruptionBudget, PodTemplate, Resources
from gateway_operator.api.v1alpha1.references import AllowedObjects
from gateway_operator.api.v1alpha1.scalars import Duration, Image, between
from gateway_operator.api.v1alpha1.spend import Spend
from gateway_operator.api.v1alpha1.status import GatewayDeploymentStatus
from gateway_operator.api.v1alpha1.storage import Store, StoreType
from gateway_operator.api.v1alpha1.telemetry import Audit, Telemetry
from gateway_operator.api.v1alpha1.traffic import HTTP, Egress


class Safeguards(Choice):
    FORWARD = "Forward"
    REFUSE = "Refuse"


class GatewayDeploymentSpec(Model):
    """What the gateway is to be."""

    public_url: Annotated[
        Origin,
        doc(
            "Where developers reach the gateway: scheme, host and, if need be, port. Claude Code is pointed at it, and "
            "sign-ins come back to it. http:// on loopback only.",
            example="https://claude.corp.example",
        ),
    ]
    image: Annotated[
        Image | None,
        doc(
            "Image of the proxy. Default: the operator's own version.",
            example="registry.example/claude-gateway-proxy:1.2.3",
        ),
    ] = None
    replicas: Annotated[
        int | None,
        doc(
            "Number of pods. Excludes `autoscaling`. Default: 2; 1 with an Embedded store, where more is refused.",
            example=3,
            ge=0,
            le=1000,
        ),
    ] = None
    autoscaling: Annotated[
        Autoscaling | None,
        doc("Scales the pods by load. Excludes `replicas`. Default: a fixed number.", example={"maxReplicas": 50}),
    ] = None
    resources: Annotated[
        Resources,
        doc(
            "CPU and memory of each pod. Default: 250m CPU and 256Mi memory reserved, 1Gi memory at most.",
            example={"limits": {"memory": "1Gi"}},
        ),
    ] = Resources()
    pod_template: Annotated[
        PodTemplate,
        doc(
            "Labels, placement and environment of the pods. Default: pods spread over zones where that is possible.",
            example={"labels": {"team": "platform"}},
        ),
    ] = PodTemplate()
    allowed_bindings: Annotated[
        AllowedObjects,
        doc(
            "Which namespaces' ProviderBindings may attach themselves. Default: those of the gateway's own namespace.",
            example={"namespaces": {"from": "All"}},
        ),
    ] = AllowedObjects()
    allowed_policies: Annotated[
        AllowedObjects,
        doc(
            "Which namespaces' GatewayPolicies may attach themselves. Default: those of the gateway's own namespace.",
            example={"namespaces": {"from": "All"}},
        ),
    ] = AllowedObjects()
    disruption_budget: Annotated[
        DisruptionBudget,
        doc(
            "How many pods a drain of nodes may take at once. Default: maxUnavailable 1.",
            example={"maxUnavailable": "25%"},
        ),
    ] = DisruptionBudget()
    drain: Annotated[
        Duration,
        between("0s", "24h"),
        doc("How long open streams may live on after a pod is told to end.", example="30m"),
    ] = Duration("10m")
    exposure: Annotated[
        Exposure,
        doc(
            "How developers reach the gateway. Default: ClusterIP, inside the cluster only.",
            example={"type": "LoadBalancer"},
        ),
    ] = Exposure()
    network_policy: Annotated[
        NetworkPolicySpec,
        doc(
            "Who may reach the pods. Default: enabled, with the gateway's port open to everyone.",
            example={"enabled": False},
        ),
    ] = NetworkPolicySpec()
    identity: Annotated[
        Identity, doc("Who may come in. Default: developer keys only.", example={"subscriptionPassthrough": True})
    ] = Identity()
    session: Annotated[
        Session,
        doc(
            "Sign-ins and the tokens that they give. Default: tokens live 1h, sign-ins and signing keys 720h.",
            example={"accessTokenTTL": "15m"},
        ),
    ] = Session()
    store: Annotated[
        Store, doc("Where sessions, spend and audit lines are kept. Default: nowhere.", example={"type": "Embedded"})
    ] = Store()
    models: Annotated[
        Models, doc("The models that the gateway knows. Default: the built-in ones.", example={"builtin": False})
    ] = Models()
    spend: Annotated[
        Spend,
        doc(
            "How spend is counted and capped. Default: by list prices, without alerts, kept for 9600h.",
            example={"failureMode": "Closed"},
        ),
    ] = Spend()
    telemetry: Annotated[
        Telemetry, doc("Where metrics, logs and traces go. Default: nowhere.", example={"gatewayMetrics": False})
    ] = Telemetry()
    audit: Annotated[Audit, doc("Where audit lines go. Default: standard output.", example={"stdout": True})] = Audit()
    safeguards: Annotated[
        Safeguards,
        doc(
            "What happens to a request's `safeguards` member. Forward: it goes to the upstream, and its "
            "results come back. "
            "Refuse: such a request is answered with 400.",
            example="Refuse",
        ),
    ] = Safeguards.FORWARD
    http: Annotated[
        HTTP,
        doc(
            "Limits and address rules for requests. Default: any address, bodies up to 33554432 bytes.",
            example={"trustedProxies": ["10.0.0.0/8"]},
        ),
    ] = HTTP()
    egress: Annotated[
        Egress,
        doc("How the gateway reaches the outside. Default: directly.", example={"proxyURL": "http://proxy.corp:3128"}),
    ] = Egress()

    object_rules = (
        Rule(
            cel="!(has(self.replicas) && has(self.autoscaling))",
            message="replicas and autoscaling exclude each other: remove one of the two",
            holds=lambda it: it.replicas is None or it.autoscaling is None,
            path=".replicas",
        ),
        Rule(
            cel="!has(self.store) || self.store.type != 'Embedded' || !has(self.replicas) || self.replicas <= 1",
            message="an Embedded store belongs to one pod: set replicas to 1, leave it out, or take a Postgres store",
            holds=lambda it: it.store.type != StoreType.EMBEDDED or it.replicas is None or it.replicas <= 1,
            path=".replicas",
        ),
        Rule(
            cel="!has(self.store) || self.store.type != 'Embedded' || !has(self.autoscaling)",
            message="an Embedded store belongs to one pod: remove autoscaling, or take a Postgres store",
            holds=lambda it: it.store.type != StoreType.EMBEDDED or it.autoscaling is None,
            path=".autoscaling",
        ),
    )


class GatewayDeployment(Model):
    """One gateway: pods that Claude Code talks to in place of the Anthropic API."""

    api_version: Literal["claude-gateway.dev/v1alpha1"]
    kind: Literal["GatewayDeployment"]
    metadata: ObjectMeta
    spec: Annotated[
        GatewayDeploymentSpec, doc("What the gateway is to be.", example={"publicURL": "https://claude.corp.example"})
    ]
    status: Annotated[GatewayDeploymentStatus | None, doc("State of the gateway, written by the operator.")] = None

    object_rules = (GATEWAY_NAME_RULE,)
