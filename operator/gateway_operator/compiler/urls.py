"""URLs that a proxy would refuse to connect to, or that carry a secret in plain text over other people's networks.

What can be told without a look-up is told here, before anything runs; the proxy judges every address again.
"""

from collections.abc import Iterator
from typing import Final

from gateway_config.addresses import literal, refused_host
from gateway_config.contract import Egress
from gateway_operator.api.v1alpha1 import GatewayDeployment
from gateway_operator.api.v1alpha1.conditions import Reason
from gateway_operator.compiler.findings import Finding, error, warning
from gateway_operator.compiler.references import host_of
from gateway_operator.compiler.snapshot import ObjectRef

_PRIVATE_SUFFIXES: Final = (
    *(".svc", ".cluster.local", ".local", ".localhost", ".internal", ".intranet", ".private"),
    *(".corp", ".home", ".lan", ".home.arpa"),
)
"""Names that resolve inside a cluster or a company; RFC 6762 (appendix G), RFC 8375, ICANN's `.internal`."""


_HEADERS: Final = "the values of headersSecretRef"


def url_finding(ref: ObjectRef, path: str, url: str, egress: Egress) -> Finding | None:
    """An error where no pod would connect to the URL's host."""
    refusal = refused_host(host_of(url), allow_loopback=egress.allow_loopback)
    if refusal is None:
        return None
    return error(ref, path, Reason.ADDRESS_REFUSED, f"{refusal.what}: {refusal.way_out}")


def plain_http_finding(ref: ObjectRef, path: str, url: str, what: str) -> Finding | None:
    """A warning where `what` goes over plain http to a host outside private networks, as far as its name tells."""
    host = host_of(url)
    if not url.startswith("http://") or not _is_public(host):
        return None
    message = f"sends {what} to {host}, a public host, in plain text: use https://"
    return warning(ref, path, Reason.PLAIN_HTTP, message)


def gateway_url_findings(gateway: GatewayDeployment, ref: ObjectRef, egress: Egress) -> list[Finding]:
    """Of the URLs in the gateway itself: the forward proxy, issuers, collectors."""
    findings = [url_finding(ref, path, url, egress) for path, url in _urls(gateway)]
    findings += [
        plain_http_finding(ref, f"spec.telemetry.destinations[{position}].endpoint", destination.endpoint, _HEADERS)
        for position, destination in enumerate(gateway.spec.telemetry.destinations)
        if destination.headers_secret_ref is not None
    ]
    return [finding for finding in findings if finding is not None]


def _urls(gateway: GatewayDeployment) -> Iterator[tuple[str, str]]:
    spec = gateway.spec
    yield "spec.egress.proxyURL", spec.egress.proxy_url
    for position, provider in enumerate(spec.identity.oidc):
        yield f"spec.identity.oidc[{position}].issuer", provider.issuer if provider.discovery_url is None else ""
        yield f"spec.identity.oidc[{position}].discoveryURL", provider.discovery_url or ""
    for position, workload in enumerate(spec.identity.workloads):
        yield f"spec.identity.workloads[{position}].issuer", workload.issuer
    for position, destination in enumerate(spec.telemetry.destinations):
        yield f"spec.telemetry.destinations[{position}].endpoint", destination.endpoint


def _is_public(host: str) -> bool:
    address = literal(host)
    if address is not None:
        return address.is_global
    name = host.rstrip(".")
    return "." in name and not name.endswith(_PRIVATE_SUFFIXES)
