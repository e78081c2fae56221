"""What a cluster says of its gateways at this moment: conditions, pods and their revisions, providers, events."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway_operator import names
from gateway_operator.kube import resources
from gateway_operator.kube.errors import ForbiddenError, KubeError
from gateway_operator.together import together

if TYPE_CHECKING:
    from gateway_operator.kube.client import KubeClient, Object

METRICS_PORT = 9090
PODS_ASKED_AT_ONCE = 16
EVENTS_SHOWN = 8
_REVISION_METRIC = "claude_gateway_config_info{"
_STREAMS_METRIC = "claude_gateway_open_streams "


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSeen:
    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen:
    name: str
    ready: bool
    state: str
    """The phase, or what keeps a container from running, such as CrashLoopBackOff."""
    restarts: int
    created: str
    revision: str | None
    """None where the pod could not be asked."""
    open_streams: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedSeen:
    """A binding or policy at this gateway."""

    kind: str
    namespace: str
    name: str
    detail: str
    """A binding's type; empty for a policy."""
    priority: int
    conditions: tuple[ConditionSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeen:
    at: str
    type: str
    reason: str
    object: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySeen:
    namespace: str
    name: str
    url: str
    revision: str | None
    replicas: int
    ready_replicas: int
    programmed_replicas: int
    conditions: tuple[ConditionSeen, ...]
    pods: tuple[PodSeen, ...] = ()
    providers: tuple[AttachedSeen, ...] = ()
    policies: tuple[AttachedSeen, ...] = ()
    events: tuple[EventSeen, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What could not be read, and why."""

    @property
    def ready(self) -> bool:
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.conditions)


async def gateways_seen(
    client: "KubeClient", *, namespace: str | None, name: str | None = None
) -> tuple[GatewaySeen, ...]:
    """The gateways of a namespace, or of all where it is None, sorted. Raises KubeError when they cannot be listed."""
    found = await client.list(resources.GATEWAY_DEPLOYMENTS, namespace)
    wanted = [each for each in found if name is None or each["metadata"]["name"] == name]
    if not wanted:
        return ()
    notes: list[str] = []
    bindings = await _listed(client, resources.PROVIDER_BINDINGS, notes)
    policies = await _listed(client, resources.GATEWAY_POLICIES, notes)
    seen = [await _gateway(client, each, bindings=bindings, policies=policies, notes=notes) for each in wanted]
    return tuple(sorted(seen, key=lambda gateway: (gateway.namespace, gateway.name)))


async def _listed(
    client: "KubeClient",
    kind: resources.ResourceKind,
    notes: list[str],
    namespace: str | None = None,
    *,
    labels: str = "",
) -> "list[Object]":
    """Empty, with a note, where this person may not list them."""
    try:
        return await client.list(kind, namespace, labels=labels)
    except ForbiddenError:
        notes.append(f"you may not list {kind.plural}{f' in {namespace}' if namespace else ''}: they are not shown")
        return []


async def _gateway(
    client: "KubeClient",
    live: "Object",
    *,
    bindings: "list[Object]",
    policies: "list[Object]",
    notes: list[str],
) -> GatewaySeen:
    metadata, status = live["metadata"], live.get("status", {})
    namespace, name = metadata["namespace"], metadata["name"]
    notes = list(notes)
    selector = f"{names.GATEWAY_LABEL}={name},{names.MANAGED_BY_LABEL}={names.MANAGER}"
    pods = await _listed(client, resources.PODS, notes, namespace, labels=selector)
    events = await _listed(client, resources.EVENTS, notes, namespace)
    providers = _attached(bindings, namespace, name)
    attached = _attached(policies, namespace, name)
    mine = {(each.kind, each.name) for each in (*providers, *attached) if each.namespace == namespace}
    mine |= {("GatewayDeployment", name)} | {("Pod", pod["metadata"]["name"]) for pod in pods}
    return GatewaySeen(
        namespace=namespace,
        name=name,
        url=status.get("url") or live["spec"].get("publicURL", ""),
        revision=status.get("revision"),
        replicas=status.get("replicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        programmed_replicas=status.get("programmedReplicas", 0),
        conditions=_conditions(status),
        pods=await _pods(client, pods, notes),
        providers=providers,
        policies=attached,
        events=_events(events, mine),
        notes=tuple(notes),
    )


def _conditions(status: Mapping[str, Any]) -> tuple[ConditionSeen, ...]:
    return tuple(
        ConditionSeen(type=each["type"], status=each["status"], reason=each["reason"], message=each.get("message", ""))
        for each in status.get("conditions", ())
    )


def _attached(objects: "list[Object]", namespace: str, name: str) -> tuple[AttachedSeen, ...]:
    """Those that name the gateway, in the order in which they are tried or matched."""
    found = []
    for each in objects:
        metadata, spec = each["metadata"], each["spec"]
        refs = {(ref.get("namespace") or metadata["namespace"], ref["name"]) for ref in spec.get("gatewayRefs", ())}
        if (namespace, name) not in refs:
            continue
        report = next(
            (
                report
                for report in each.get("status", {}).get("gateways", ())
                if (report["namespace"], report["name"]) == (namespace, name)
            ),
            each.get("status", {}),
        )
        found.append(
            AttachedSeen(
                kind=each["kind"],
                namespace=metadata["namespace"],
                name=metadata["name"],
                detail=spec.get("type", ""),
                priority=spec.get("priority", 0),
                conditions=_conditions(report),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.priority, each.namespace, each.name)))


async def _pods(client: "KubeClient", pods: "Iterable[Object]", notes: list[str]) -> tuple[PodSeen, ...]:
    limit = asyncio.Semaphore(PODS_ASKED_AT_ONCE)

    async def ask(pod: "Object") -> tuple[PodSeen, str]:
        async with limit:
            return await _pod(client, pod)

    answers = await together(ask(pod) for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])))
    if reasons := sorted({reason for _, reason in answers if reason}):
        notes.append(f"revisions of pods are not shown: {'; '.join(reasons)}")
    return tuple(seen for seen, _ in answers)


async def _pod(client: "KubeClient", pod: "Object") -> tuple[PodSeen, str]:
    """The pod, and why it could not be asked. Its metrics port has no token, and the API server passes requests on."""
    metadata, status = pod["metadata"], pod.get("status", {})
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))
    revision, streams, reason = None, None, ""
    if ready:
        base = resources.PODS.path(metadata["namespace"], f"{metadata['name']}:{METRICS_PORT}", "proxy")
        try:
            revision, streams = _from_metrics(str(await client.raw_get(f"{base}/metrics")))
        except ForbiddenError:
            reason = "that needs get on pods/proxy"
        except KubeError as error:
            reason = str(error)
    containers = status.get("containerStatuses", ())
    waiting = [each["state"]["waiting"]["reason"] for each in containers if each.get("state", {}).get("waiting")]
    state = "Terminating" if metadata.get("deletionTimestamp") else (waiting or [status.get("phase", "Unknown")])[0]
    seen = PodSeen(
        name=metadata["name"],
        ready=ready,
        state=state,
        restarts=sum(each.get("restartCount", 0) for each in containers),
        created=metadata["creationTimestamp"],
        revision=revision,
        open_streams=streams,
    )
    return seen, reason


def _from_metrics(text: str) -> tuple[str | None, int | None]:
    """The revision in force and the open streams, out of the proxy's metrics."""
    revision, streams = None, None
    for line in text.splitlines():
        if line.startswith(_REVISION_METRIC):
            revision = line.partition('revision="')[2].partition('"')[0] or None
        elif line.startswith(_STREAMS_METRIC):
            streams = int(float(line.removeprefix(_STREAMS_METRIC)))
    return revision, streams


def _events(events: "list[Object]", mine: set[tuple[str, str]]) -> tuple[EventSeen, ...]:
    """The newest of those that speak of the gateway or of what belongs to it, the newest first."""
    found = []
    for each in events:
        about = each.get("regarding", {})
        if (about.get("kind"), about.get("name")) not in mine:
            continue
        series = each.get("series") or {}
        at = series.get("lastObservedTime") or each.get("eventTime") or each.get("deprecatedLastTimestamp")
        found.append(
            EventSeen(
                at=at or each["metadata"]["creationTimestamp"],
                type=each.get("type", "Normal"),
                reason=each.get("reason", ""),
                object=f"{about['kind']}/{about['name']}",
                message=each.get("note", ""),
            )
        )
    return tuple(sorted(found, key=lambda event: event.at, reverse=True)[:EVENTS_SHOWN])
