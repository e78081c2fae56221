"""The pods of a gateway. What stands here rolls every pod when it changes: settings that need a restart, no other."""

import math
from typing import Any, Final

from gateway_config.bundle import CREDENTIALS_FILE, INDEX_FILE, MAX_PARTS, part_file
from gateway_operator import names
from gateway_operator.api.v1alpha1.pods import TopologySpreadConstraint
from gateway_operator.children import service_account, volume_claim
from gateway_operator.children.network_policy import selector
from gateway_operator.children.quantities import amount, canonical
from gateway_operator.children.secrets import ADMIN_TOKEN_FILE
from gateway_operator.children.subject import ADMIN, ADMIN_PORT, METRICS, METRICS_PORT, Manifest, Subject

CONTAINER: Final = "proxy"
CONFIG_DIRECTORY: Final = "/etc/claude-gateway"
TLS_DIRECTORY: Final = "/etc/claude-gateway-tls"
STATE_DIRECTORY: Final = "/var/lib/claude-gateway-proxy"

USER_ID: Final = 65532
"""User and group of the proxy: no account of any image's, so that a file of root's stays closed to it."""
READABLE: Final = 0o440
"""Mode of mounted Secrets: the group is the pods' `fsGroup`, everybody else gets nothing."""

ACCEPT_SECONDS: Final = 5
"""How long a proxy accepts connections after SIGTERM (its --drain-accept)."""
ENDING_SECONDS: Final = 10
"""After the last stream's time: 3 s for in-band errors to reach clients, 3 s for the rest of what slow clients have not
read, a second for each of the two ports beside, and two to spare."""

DEFAULT_REQUESTS: Final = {"cpu": "250m", "memory": "256Mi"}
DEFAULT_LIMITS: Final = {"memory": "1Gi"}
"""No CPU limit: a throttled event loop delays every stream of the pod."""

TOKENS: Final = "tokens"
TOKEN_SECONDS: Final = 3600
"""Life of a service account's token; Kubernetes' own default."""

DEFAULT_CONTAINER_ANNOTATION: Final = "kubectl.kubernetes.io/default-container"


def pod_template(subject: Subject) -> Manifest:
    """Labels and annotations that others put on the pods or on the live template are not ours, and stay."""
    asked = subject.spec.pod_template
    return {
        "metadata": {
            "labels": {**(asked.labels or {}), **names.child_labels(subject.name)},
            "annotations": {DEFAULT_CONTAINER_ANNOTATION: CONTAINER, **(asked.annotations or {})},
        },
        "spec": _pod(subject),
    }


def grace_seconds(drain_seconds: float) -> int:
    """From SIGTERM to SIGKILL. The proxy counts the seconds of accepting into the drain, where that is longer; here
    they are added, so that a kill never meets a stream that still had time."""
    return math.ceil(drain_seconds) + ACCEPT_SECONDS + ENDING_SECONDS


def resources(subject: Subject) -> Manifest:
    """A resource that the gateway does not name has its default, bent to what is named beside it: a request is never
    above its limit. An empty object lifts all defaults of its side."""
    asked = subject.spec.resources
    requests = _canonical(asked.requests)
    limits = _canonical(asked.limits)
    if asked.limits is None or limits:
        for name, value in DEFAULT_LIMITS.items():
            if name not in limits:
                limits[name] = max(value, requests.get(name, value), key=amount)
    if asked.requests is None or requests:
        for name, value in DEFAULT_REQUESTS.items():
            if name not in requests:
                requests[name] = min(value, limits.get(name, value), key=amount)
    return {name: quantities for name, quantities in (("requests", requests), ("limits", limits)) if quantities}


def _canonical(quantities: dict[str, int | str] | None) -> dict[str, str]:
    return {name: canonical(quantity) for name, quantity in (quantities or {}).items()}


def _pod(subject: Subject) -> Manifest:
    asked = subject.spec.pod_template
    pod: dict[str, Any] = {
        "serviceAccountName": service_account.name_of(subject),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds(subject.spec.drain.seconds),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            # Else a large volume of an Embedded store would be walked at every start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(subject)],
        "volumes": _volumes(subject),
    }
    constraints = asked.topology_spread_constraints
    spread = _default_spread(subject) if constraints is None else [_spread(each, subject) for each in constraints]
    optional = {
        "affinity": _affinity(subject),
        "topologySpreadConstraints": spread,
        "nodeSelector": asked.node_selector,
        "tolerations": [
            {
                name: value
                for name, value in each.model_dump(by_alias=True, mode="json").items()
                if value not in (None, "")
            }
            for each in asked.tolerations
        ],
        "priorityClassName": asked.priority_class_name,
        "runtimeClassName": asked.runtime_class_name,
        "imagePullSecrets": [{"name": ref.name} for ref in asked.image_pull_secrets],
    }
    return pod | {name: value for name, value in optional.items() if value}


def _container(subject: Subject) -> Manifest:
    spec = subject.spec
    mounts = [{"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True}]
    arguments = [
        "--config",
        CONFIG_DIRECTORY,
        "--admin-token-file",
        f"{CONFIG_DIRECTORY}/{ADMIN_TOKEN_FILE}",
        "--listen",
        f"0.0.0.0:{subject.container_port}",
        "--admin-listen",
        f"0.0.0.0:{ADMIN_PORT}",
        "--metrics-listen",
        f"0.0.0.0:{METRICS_PORT}",
    ]
    if spec.exposure.tls is not None:
        mounts.append({"name": "tls", "mountPath": TLS_DIRECTORY, "readOnly": True})
        arguments += ["--tls-dir", TLS_DIRECTORY]
    if volume_claim.wanted(subject):
        mounts.append({"name": "state", "mountPath": STATE_DIRECTORY})
        arguments += ["--state-dir", STATE_DIRECTORY]
    if subject.token_audiences:
        mounts.append({"name": TOKENS, "mountPath": names.TOKENS_DIRECTORY, "readOnly": True})
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.image or subject.settings.image,
        "args": arguments,
        "ports": [
            {"name": subject.port_name, "containerPort": subject.container_port, "protocol": "TCP"},
            {"name": METRICS, "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": ADMIN, "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
        **_probes(subject),
    }
    if subject.settings.image_pull_policy:
        container["imagePullPolicy"] = subject.settings.image_pull_policy
    if found := resources(subject):
        container["resources"] = found
    if spec.pod_template.env:
        container["env"] = [
            {"name": variable.name, **({"value": variable.value} if variable.value else {})}
            for variable in spec.pod_template.env
        ]
    return container


def _probes(subject: Subject) -> Manifest:
    """Ready follows the configuration and the drain. Alive is any answer of the event loop, for a minute: nothing
    that upstreams, the store or the configuration do may restart a pod and cut its streams."""

    def get(path: str) -> Manifest:
        scheme = "HTTP" if subject.spec.exposure.tls is None else "HTTPS"
        return {"path": path, "port": subject.port_name, "scheme": scheme}

    return {
        "startupProbe": {"httpGet": get("/healthz"), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {"httpGet": get("/readyz"), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 3},
        "livenessProbe": {"httpGet": get("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _volumes(subject: Subject) -> list[Manifest]:
    """The configuration's parts are mounted ahead, all that there can be, so that a new one never rolls pods."""

    def source(secret: str, *keys: str, optional: bool = False) -> Manifest:
        items = [{"key": key, "path": key} for key in keys]
        return {"secret": {"name": secret, "items": items, **({"optional": True} if optional else {})}}

    gateway = subject.name
    sources = [
        source(names.config_secret(gateway), INDEX_FILE, part_file(0)),
        *(
            source(names.config_secret(gateway, number), part_file(number), optional=True)
            for number in range(1, MAX_PARTS)
        ),
        source(names.credentials_secret(gateway), CREDENTIALS_FILE),
        source(names.signing_secret(gateway), ADMIN_TOKEN_FILE),
    ]
    volumes: list[Manifest] = [{"name": "config", "projected": {"defaultMode": READABLE, "sources": sources}}]
    if (tls := subject.spec.exposure.tls) is not None:
        items = [{"key": key, "path": key} for key in ("tls.crt", "tls.key")]
        volumes.append(
            {"name": "tls", "secret": {"secretName": tls.secret_name, "defaultMode": READABLE, "items": items}}
        )
    if volume_claim.wanted(subject):
        volumes.append({"name": "state", "persistentVolumeClaim": {"claimName": names.volume_claim(gateway)}})
    if subject.token_audiences:
        volumes.append({"name": TOKENS, "projected": {"defaultMode": READABLE, "sources": _tokens(subject)}})
    return volumes


def _tokens(subject: Subject) -> list[Manifest]:
    """Tokens of the pods' service account, each good for one other party alone. The kubelet renews them."""
    return [
        {
            "serviceAccountToken": {
                "audience": audience,
                "expirationSeconds": TOKEN_SECONDS,
                "path": names.token_file(audience).removeprefix(f"{names.TOKENS_DIRECTORY}/"),
            }
        }
        for audience in subject.token_audiences
    ]


def _affinity(subject: Subject) -> Manifest:
    """By default, away from nodes that have a pod of this gateway."""
    asked = subject.spec.pod_template.affinity
    if asked is not None:
        # Neither survives the API server: sent all the same, they would look like somebody's edit.
        return {name: member for name, member in _without_empty_lists(asked).items() if member}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": subject.selector}}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty_lists(member) for name, member in value.items() if member not in ([], None)}
    return [_without_empty_lists(member) for member in value] if isinstance(value, list) else value


def _default_spread(subject: Subject) -> list[Manifest]:
    """Over zones and nodes as far as possible, each rollout counted by itself: its old pods are on their way out."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": subject.selector},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _spread(constraint: TopologySpreadConstraint, subject: Subject) -> Manifest:
    given: dict[str, Any] = constraint.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    pods = constraint.label_selector
    given["labelSelector"] = {"matchLabels": subject.selector} if pods is None else selector(pods)
    return given
