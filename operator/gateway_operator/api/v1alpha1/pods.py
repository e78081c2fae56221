"""The pods of a gateway: how many, how large, where."""

from typing import Annotated, Any

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Choice, Model, Rule, doc
from gateway_operator.api.v1alpha1.lists import ATOMIC, FREE_FORM, map_list, set_list
from gateway_operator.api.v1alpha1.references import LabelSelector, NamedRefs
from gateway_operator.api.v1alpha1.scalars import (
    EnvName,
    IntOrPercent,
    LabelKey,
    LabelValue,
    Quantity,
    Subdomain,
)

ResourceQuantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class Autoscaling(Model):
    """Scales the pods with a HorizontalPodAutoscaler. Excludes `replicas`."""

    min_replicas: Annotated[int, doc("Fewest pods.", example=2, ge=1, le=1000)] = 2
    max_replicas: Annotated[int, doc("Most pods.", example=50, ge=1, le=1000)]
    open_streams_per_pod: Annotated[
        int | None,
        doc(
            "Open streams that a pod should carry on average; needs a metrics adapter in the cluster. CPU stays low "
            "while pods wait for upstreams, so this is the better measure. Default: not scaled on streams.",
            example=400,
            ge=1,
            le=100_000,
        ),
    ] = None
    cpu_utilization: Annotated[
        int | None,
        doc(
            "CPU that a pod should use on average, in percent of what it requests. "
            "Default: 70 where `openStreamsPerPod` is not given, else not scaled on CPU.",
            example=70,
            ge=1,
            le=1000,
        ),
    ] = None

    object_rules = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            message="minReplicas (default 2) must not be above maxReplicas: lower it or raise maxReplicas",
            holds=lambda it: it.min_replicas <= it.max_replicas,
            path=".minReplicas",
        ),
    )


class Resources(Model):
    """CPU and memory of each proxy container."""

    requests: Annotated[
        ResourceQuantities | None,
        doc(
            "What the scheduler reserves; a resource that is not named keeps its default. Default: 250m CPU and "
            "256Mi memory, no more than the limits; an empty object: nothing.",
            example={"cpu": "500m", "memory": "256Mi"},
        ),
    ] = None
    limits: Annotated[
        ResourceQuantities | None,
        doc(
            "What a container may use at most; a resource that is not named keeps its default. Default: 1Gi memory, "
            "no CPU limit; an empty object: no limit at all.",
            example={"memory": "1Gi"},
        ),
    ] = None


class TolerationOperator(Choice):
    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(Choice):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """Lets the pods onto nodes with a taint."""

    key: Annotated[
        LabelKey | None,
        doc("The taint's key. Default: every taint, which needs operator Exists.", example="dedicated"),
    ] = None
    operator: Annotated[
        TolerationOperator | None, doc("How the taint's value is compared. Default: Equal.", example="Equal")
    ] = None
    value: Annotated[
        LabelValue | None, doc("The taint's value, for operator Equal. Default: the empty value.", example="gateways")
    ] = None
    effect: Annotated[TaintEffect | None, doc("The taint's effect. Default: every effect.", example="NoSchedule")] = (
        None
    )
    toleration_seconds: Annotated[
        int | None,
        doc("With effect NoExecute: seconds until eviction. Default: never evicted.", example=300, ge=0, le=2**31 - 1),
    ] = None


class Unsatisfiable(Choice):
    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class NodeInclusion(Choice):
    HONOR = "Honor"
    IGNORE = "Ignore"


class TopologySpreadConstraint(Model):
    """Spreads the pods over zones or nodes."""

    max_skew: Annotated[int, doc("How much fuller one domain may be than another, in pods.", example=1, ge=1, le=1000)]
    topology_key: Annotated[
        LabelKey, doc("Node label whose values are the domains.", example="topology.kubernetes.io/zone")
    ]
    when_unsatisfiable: Annotated[
        Unsatisfiable, doc("What happens to a pod that would break the rule.", example="ScheduleAnyway")
    ]
    label_selector: Annotated[LabelSelector | None, doc("Pods that are counted. Default: this gateway's pods.")] = None
    min_domains: Annotated[
        int | None, doc("With DoNotSchedule: fewest domains there should be. Default: 1.", example=3, ge=1, le=1000)
    ] = None
    node_affinity_policy: Annotated[
        NodeInclusion | None, doc("Whether node selectors count. Default: Honor.", example="Honor")
    ] = None
    node_taints_policy: Annotated[
        NodeInclusion | None, doc("Whether node taints count. Default: Ignore.", example="Honor")
    ] = None
    match_label_keys: Annotated[
        list[LabelKey],
        doc(
            "Pod labels whose values tell rollouts apart. Default: none.", example=["pod-template-hash"], max_length=16
        ),
        set_list(),
    ] = []


class EnvVar(Model):
    """An environment variable of the proxy container."""

    name: Annotated[EnvName, doc("Its name.", example="TZ")]
    value: Annotated[
        str,
        doc(
            "Its value, in plain text. Secrets have no place here: name them in the fields made for them. "
            "Default: empty.",
            example="UTC",
            max_length=32768,
        ),
    ] = ""


_RESERVED = "claude-gateway.dev/"

_Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=16384)]],
    Field(max_length=64),
    Rule(
        cel=f"self.all(key, !key.startsWith('{_RESERVED}'))",
        message=f"keys that begin with {_RESERVED} are the operator's own: choose another prefix",
        holds=lambda labels: not any(key.startswith(_RESERVED) for key in labels),
    ),
]
_Labels = Annotated[
    dict[str, LabelValue],
    Field(max_length=64),
    Rule(
        cel=f"self.all(key, !key.startsWith('{_RESERVED}') && !key.startsWith('app.kubernetes.io/'))",
        message=f"keys that begin with {_RESERVED} or app.kubernetes.io/ are the operator's own: choose another prefix",
        holds=lambda labels: not any(key.startswith((_RESERVED, "app.kubernetes.io/")) for key in labels),
    ),
]


class PodTemplate(Model):
    """A named subset of a pod's fields: no volumes from the host, no containers."""

    labels: Annotated[
        _Labels | None,
        doc("Labels of the pods, besides the operator's own. Default: none.", example={"team": "platform"}),
    ] = None
    annotations: Annotated[
        _Annotations | None,
        doc(
            "Annotations of the pods, besides the operator's own. Default: none.",
            example={"corp.example/scrape": "true"},
        ),
    ] = None
    node_selector: Annotated[
        dict[str, LabelValue],
        doc("Labels that a node must have. Default: none.", example={"kubernetes.io/arch": "arm64"}, max_length=32),
    ] = {}
    tolerations: Annotated[
        list[Toleration], doc("Taints of nodes that the pods put up with. Default: none.", max_length=32), ATOMIC
    ] = []
    affinity: Annotated[
        Annotated[dict[str, Any], Field(max_length=3), FREE_FORM] | None,
        doc(
            "Affinity as in a pod. Default: pods prefer nodes without another pod of this gateway.",
            example={"podAntiAffinity": {}},
        ),
    ] = None
    topology_spread_constraints: Annotated[
        Annotated[list[TopologySpreadConstraint], Field(max_length=8), ATOMIC] | None,
        doc("How the pods are spread. Default: over zones, where that is possible; an empty list: not at all."),
    ] = None
    priority_class_name: Annotated[
        Subdomain | None, doc("PriorityClass of the pods. Default: the cluster's.", example="critical")
    ] = None
    service_account_name: Annotated[
        Subdomain | None,
        doc(
            "ServiceAccount of the pods, for cloud identities (podIdentity). The pods hold no token for the "
            "Kubernetes API. "
            "Default: `NAME-proxy`, which the operator makes.",
            example="claude-gateway",
        ),
    ] = None
    runtime_class_name: Annotated[
        Subdomain | None, doc("RuntimeClass of the pods. Default: the cluster's.", example="gvisor")
    ] = None
    image_pull_secrets: Annotated[
        NamedRefs, doc("Secrets that the image is pulled with. Default: none.", example=[{"name": "registry"}])
    ] = []
    env: Annotated[
        list[EnvVar], doc("Environment variables of the proxy. Default: none.", max_length=64), map_list("name")
    ] = []


class DisruptionBudget(Model):
    """How many pods evictions may take at once."""

    max_unavailable: Annotated[IntOrPercent, doc("Pods, as a number or a percentage.", example="25%")] = 1
