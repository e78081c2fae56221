"""GatewayDeployment → the parts of the configuration that are the gateway's own."""

from typing import Literal

from gateway_config.contract import Audit, Egress, GatewayIdentity, Limits, Session
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.addresses import normal_origin
from gateway_operator.api.v1alpha1.gateway_deployment import Safeguards
from gateway_operator.compiler.findings import Finding, error
from gateway_operator.compiler.references import UnresolvedError, Values
from gateway_operator.compiler.snapshot import ObjectRef


def identity(gateway: GatewayDeployment, ref: ObjectRef) -> GatewayIdentity:
    """The public URL has one spelling: tokens, endpoints and the Origin of forms are compared with it byte by byte."""
    return GatewayIdentity(namespace=ref.namespace, name=ref.name, public_url=normal_origin(gateway.spec.public_url))


def limits(gateway: GatewayDeployment) -> Limits:
    return Limits(
        max_request_bytes=gateway.spec.http.max_request_bytes,
        max_buffered_bytes=gateway.spec.http.max_buffered_bytes,
        drain_seconds=gateway.spec.drain.seconds,
    )


def audit(gateway: GatewayDeployment) -> Audit:
    return Audit(stdout=gateway.spec.audit.stdout)


def safeguards(gateway: GatewayDeployment) -> Literal["Forward", "Refuse"]:
    return "Refuse" if gateway.spec.safeguards == Safeguards.REFUSE else "Forward"


def egress(
    gateway: GatewayDeployment, ref: ObjectRef, values: Values, *, loopback_default: bool
) -> tuple[Egress, list[Finding]]:
    """Without its `caRef` when that cannot be resolved: upstreams that need it then fail their TLS check.

    `loopback_default`: what holds where `allowLoopback` is not written.
    """
    settings = gateway.spec.egress
    ca_pem: str | None = None
    findings: list[Finding] = []
    if settings.ca_ref is not None:
        try:
            ca_pem = values.certificates(ref.namespace, settings.ca_ref)
        except UnresolvedError as problem:
            findings.append(error(ref, "spec.egress.caRef", problem.reason, str(problem), condition="ResolvedRefs"))
    compiled = Egress(
        proxy_url=settings.proxy_url or None,
        no_proxy=tuple(settings.no_proxy),
        ca_pem=ca_pem,
        allow_loopback=settings.allow_loopback if "allow_loopback" in settings.model_fields_set else loopback_default,
    )
    return compiled, findings


def session(gateway: GatewayDeployment) -> Session:
    settings = gateway.spec.session
    return Session(
        access_token_seconds=int(settings.access_token_ttl.seconds),
        refresh_token_seconds=int(settings.refresh_token_ttl.seconds),
        login_notice=settings.login_notice,
    )
