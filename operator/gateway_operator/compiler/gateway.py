"""GatewayDeployment → the parts of the configuration that are the gateway's own."""

from typing import Any, Literal

from gateway_config.contract import Egress, GatewayIdentity, Limits
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.compiler.references import Unresolved, Values
from gateway_operator.compiler.snapshot import ObjectRef

StoreDefault = Literal["None", "Embedded"]
"""What a gateway without `spec.store` has: nothing on a cluster, an embedded store in local mode."""


def identity(gateway: Any, ref: ObjectRef) -> GatewayIdentity:
    return GatewayIdentity(namespace=ref.namespace, name=ref.name, public_url=gateway.spec.public_url.rstrip("/"))


def limits(gateway: Any) -> Limits:
    return Limits(
        max_request_bytes=gateway.spec.http.max_request_bytes,
        max_buffered_bytes=gateway.spec.http.max_buffered_bytes,
        drain_seconds=gateway.spec.drain.seconds,
    )


def egress(gateway: Any, ref: ObjectRef, values: Values) -> tuple[Egress, list[Finding]]:
    """Without its `caRef` when that cannot be resolved: upstreams that need it then fail their TLS check."""
    settings = gateway.spec.egress
    if settings is None:
        return Egress(), []
    ca_pem, findings = None, []
    if settings.ca_ref is not None:
        try:
            ca_pem = values.certificates(ref.namespace, settings.ca_ref)
        except Unresolved as problem:
            findings.append(
                error(ref, "spec.egress.caRef", problem.reason, str(problem), condition="ResolvedRefs")
            )
    return Egress(proxy_url=settings.proxy_url, no_proxy=tuple(settings.no_proxy), ca_pem=ca_pem), findings


def has_store(gateway: Any, store_default: StoreDefault) -> bool:
    store = gateway.spec.store
    kind = "None" if store is None or store.type is None else str(store.type)
    return (store_default if kind == "None" else kind) != "None"


def store_findings(gateway: Any, ref: ObjectRef, store_default: StoreDefault) -> list[Finding]:
    """What the gateway asks for that only a store can keep."""
    if has_store(gateway, store_default):
        return []
    spec = gateway.spec
    wants = []
    if spec.identity is not None and spec.identity.oidc:
        wants.append(("spec.identity.oidc", "sign-in sessions"))
    if spec.audit is not None and spec.audit.store:
        wants.append(("spec.audit.store", "audit events"))
    return [
        error(ref, path, "StoreRequired", f"needs a store for {what}: set spec.store (Embedded or Postgres)")
        for path, what in wants
    ]
