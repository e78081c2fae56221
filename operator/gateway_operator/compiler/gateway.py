"""GatewayDeployment → the parts of the configuration that are the gateway's own."""

from typing import Literal

from gateway_config.contract import Audit, Egress, GatewayIdentity, Limits
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.storage import StoreType
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef

StoreDefault = Literal["None", "Embedded"]
"""What a gateway without `spec.store` has: nothing on a cluster, an embedded store in local mode."""


def identity(gateway: GatewayDeployment, ref: ObjectRef) -> GatewayIdentity:
    return GatewayIdentity(namespace=ref.namespace, name=ref.name, public_url=gateway.spec.public_url.rstrip("/"))


def limits(gateway: GatewayDeployment) -> Limits:
    return Limits(
        max_request_bytes=gateway.spec.http.max_request_bytes,
        max_buffered_bytes=gateway.spec.http.max_buffered_bytes,
        drain_seconds=gateway.spec.drain.seconds,
    )


def audit(gateway: GatewayDeployment) -> Audit:
    return Audit(stdout=gateway.spec.audit.stdout)


def egress(gateway: GatewayDeployment, ref: ObjectRef, values: Values) -> tuple[Egress, list[Finding]]:
    """Without its `caRef` when that cannot be resolved: upstreams that need it then fail their TLS check."""
    settings = gateway.spec.egress
    ca_pem: str | None = None
    findings: list[Finding] = []
    if settings.ca_ref is not None:
        try:
            ca_pem = values.certificates(ref.namespace, settings.ca_ref)
        except UnresolvedError as problem:
            findings.append(error(ref, "spec.egress.caRef", problem.reason, str(problem), condition="ResolvedRefs"))
    return Egress(proxy_url=settings.proxy_url or None, no_proxy=tuple(settings.no_proxy), ca_pem=ca_pem), findings


def has_store(gateway: GatewayDeployment, store_default: StoreDefault) -> bool:
    return gateway.spec.store.type != "None" or store_default != "None"


def store_findings(gateway: GatewayDeployment, ref: ObjectRef, store_default: StoreDefault) -> list[Finding]:
    """What the gateway asks for that only a store can keep."""
    if has_store(gateway, store_default):
        return []
    spec = gateway.spec
    wants = []
    if spec.identity.oidc:
        wants.append(("spec.identity.oidc", "sign-in sessions"))
    if spec.audit.store:
        wants.append(("spec.audit.store", "audit events"))
    return [
        error(ref, path, Reason.STORE_REQUIRED, f"needs a store for {what}: set spec.store (Embedded or Postgres)")
        for path, what in wants
    ]


def shape_findings(gateway: GatewayDeployment, ref: ObjectRef, store_default: StoreDefault) -> list[Finding]:
    """What an admin should know of the pods that the gateway asks for. Without a cluster there is nothing to scale."""
    if gateway.spec.store.type != StoreType.EMBEDDED or store_default != "None":
        return []
    message = (
        "Embedded: the store belongs to one pod: the gateway does not scale, and a rollout ends the pod before the "
        "next one starts; for more than one pod take a Postgres store"
    )
    return [warning(ref, "spec.store.type", Reason.SINGLE_POD, message)]
