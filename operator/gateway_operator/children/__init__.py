"""GatewayDeployment → the manifests of its children. Pure: no clock, no I/O; equal input gives equal manifests.

The configuration's Secrets come from `secrets`, for they hold what the compiler made; everything else comes from
`children`.
"""

from typing import Final, NamedTuple

from gateway_operator import names
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.children import (
    autoscaler,
    http_route,
    ingress,
    network_policy,
    service_account,
    service_monitor,
    volume_claim,
)
from gateway_operator.children.deployment import deployment
from gateway_operator.children.disruption_budget import disruption_budget
from gateway_operator.children.secrets import config_secrets, surplus_config_secrets
from gateway_operator.children.service import metrics_service, service
from gateway_operator.children.subject import ChildSettings, Manifest, Subject
from gateway_operator.compiler import Finding, ObjectRef
from gateway_operator.kube.resources import (
    HORIZONTAL_POD_AUTOSCALERS,
    HTTP_ROUTES,
    INGRESSES,
    NETWORK_POLICIES,
    SERVICE_ACCOUNTS,
    SERVICE_MONITORS,
    SERVICES,
    ResourceKind,
)

OPTIONAL_KINDS: Final = frozenset({HTTP_ROUTES, SERVICE_MONITORS})
"""Kinds that a cluster need not have."""

__all__ = [
    "OPTIONAL_KINDS",
    "ChildSettings",
    "Children",
    "Manifest",
    "children",
    "config_secrets",
    "surplus_config_secrets",
]


class Children(NamedTuple):
    wanted: tuple[Manifest, ...]
    """In the order to apply: what pods stand on before the Deployment, its autoscaler after it."""
    unwanted: tuple[tuple[ResourceKind, str], ...]
    """Kind and name of what another spec would have made: to be deleted where it is ours, after the rest is applied.
    Never a volume."""
    findings: tuple[Finding, ...]
    """What cannot be made, with the way out; the rest is made all the same."""


def children(
    gateway: GatewayDeployment,
    *,
    ref: ObjectRef,
    uid: str,
    settings: ChildSettings,
    token_audiences: tuple[str, ...] = (),
) -> Children:
    """Everything that a valid gateway needs besides its configuration. `uid` empty: nothing gets an owner.
    `token_audiences`: of the service account's tokens that its bindings need."""
    subject = Subject(spec=gateway.spec, ref=ref, uid=uid, settings=settings, token_audiences=token_audiences)
    wanted: list[Manifest] = []
    unwanted: list[tuple[ResourceKind, str]] = []
    findings: list[Finding] = []

    if service_account.wanted(subject):
        wanted.append(service_account.service_account(subject))
    else:
        unwanted.append((SERVICE_ACCOUNTS, names.service_account(ref.name)))
    if volume_claim.wanted(subject):
        wanted.append(volume_claim.volume_claim(subject))
    if network_policy.wanted(subject):
        wanted.append(network_policy.network_policy(subject))
    else:
        unwanted.append((NETWORK_POLICIES, ref.name))
    wanted.append(disruption_budget(subject))
    wanted.append(service(subject))

    if service_monitor.wanted(subject):
        wanted += [metrics_service(subject), service_monitor.service_monitor(subject)]
    else:
        unwanted.append((SERVICES, names.metrics_service(ref.name)))
    if ingress.wanted(subject):
        wanted.append(ingress.ingress(subject))
    else:
        unwanted.append((INGRESSES, ref.name))
    if http_route.asked(subject):
        if http_route.served(subject):
            wanted.append(http_route.http_route(subject))
        else:
            findings.append(http_route.unavailable(subject))
    elif http_route.served(subject):
        unwanted.append((HTTP_ROUTES, ref.name))

    wanted.append(deployment(subject))
    if autoscaler.wanted(subject):
        wanted.append(autoscaler.autoscaler(subject))
    else:
        unwanted.append((HORIZONTAL_POD_AUTOSCALERS, ref.name))
    return Children(tuple(wanted), tuple(unwanted), tuple(findings))
