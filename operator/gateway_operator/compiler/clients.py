"""`spec.http` → where requests may come from, and what an admin should know of those rules."""

from ipaddress import ip_network

from gateway_config.contract import Clients
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.api.v1alpha1.exposure import ExposureType
from gateway_operator.compiler.findings import Finding, warning
from gateway_operator.compiler.snapshot import ObjectRef

_HIDING = (ExposureType.INGRESS, ExposureType.HTTP_ROUTE)
"""Exposures where another proxy always stands before the pods."""


def clients(gateway: GatewayDeployment) -> Clients:
    http = gateway.spec.http
    return Clients(
        trusted_proxies=_networks(http.trusted_proxies),
        allow_cidrs=_networks(http.allow_cidrs),
        deny_cidrs=_networks(http.deny_cidrs),
        device_authorizations_per_10_minutes=http.sign_in_rate_limits.device_authorizations_per_10_minutes,
        code_submissions_per_10_minutes=http.sign_in_rate_limits.code_submissions_per_10_minutes,
    )


def client_findings(gateway: GatewayDeployment, ref: ObjectRef) -> list[Finding]:
    """Rules that cannot mean what they say: addresses that anyone may claim, or that nobody sees."""
    spec = gateway.spec
    findings = [
        warning(
            ref,
            f"spec.http.trustedProxies[{position}]",
            Reason.EVERY_PROXY_TRUSTED,
            f"{text} believes every sender's X-Forwarded-For, so that anyone may claim any address: name the load "
            "balancers and ingress controllers only",
        )
        for position, text in enumerate(spec.http.trusted_proxies)
        if not ip_network(text).prefixlen
    ]
    if spec.exposure.type not in _HIDING or spec.http.trusted_proxies:
        return findings
    using = [
        (bool(spec.http.allow_cidrs), "spec.http.allowCIDRs"),
        (bool(spec.http.deny_cidrs), "spec.http.denyCIDRs"),
        (bool(spec.identity.oidc), "spec.http.signInRateLimits"),
    ]
    message = (
        f"sees one address for all developers, that of the proxy which exposure {spec.exposure.type} puts before the "
        "gateway: name its pods' addresses in spec.http.trustedProxies"
    )
    return findings + [warning(ref, path, Reason.CLIENT_ADDRESSES_HIDDEN, message) for used, path in using if used]


def _networks(texts: list[str]) -> tuple[str, ...]:
    """Each in one spelling, so that the revision does not change with it."""
    return tuple(sorted({str(ip_network(text)) for text in texts}))
