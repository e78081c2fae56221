"""Manifests of a gateway whose way out leads to the clouds' token endpoints, and to upstreams on loopback beside it."""

from tests.standins.manifests import NAMESPACE, Manifest, serving
from tests.standins.token_endpoints.server import TokenServer


def behind(tokens: TokenServer, *manifests: Manifest) -> list[Manifest]:
    """Bindings, and the Secrets that they name, of a whole gateway."""
    authority = {"kind": "ConfigMap", "name": "corp-ca", "key": "ca.crt"}
    egress = {"allowLoopback": True, "proxyURL": tokens.url, "noProxy": ["127.0.0.1"], "caRef": authority}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "corp-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": tokens.ca_pem},
    }
    return [*serving(*manifests, egress=egress), config_map]
