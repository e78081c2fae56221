"""Where an issuer's endpoints are, by its own discovery document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_proxy.identity.oidc.calls import Calls, secure
from gateway_proxy.identity.oidc.failures import misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """Addresses are https, or http on the machine itself."""

    keys: str
    authorization: str | None = None
    token: str | None = None
    userinfo: str | None = None
    token_auth_methods: tuple[str, ...] | None = None
    """None: not said."""
    scopes: tuple[str, ...] | None = None
    names_issuer: bool = False
    """Whether what comes back to the callback names the issuer (RFC 9207)."""
    graph_host: str | None = None
    """Of Microsoft's clouds."""


async def discover(calls: Calls, issuer: str, url: str | None = None) -> Discovered:
    """The document of an issuer, at its well-known address or at `url`; raises ProviderUnavailableError.

    The document must name the issuer byte for byte: another one is somebody else's.
    """
    where = url or f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    members = await calls.document(where)
    named = members.get("issuer")
    if named != issuer:
        raise misconfigured(f"{where} names the issuer {named!r}, and the configuration says {issuer!r}")
    return Discovered(
        keys=_required(members, "jwks_uri", where),
        authorization=_address(members, "authorization_endpoint", where),
        token=_address(members, "token_endpoint", where),
        userinfo=_address(members, "userinfo_endpoint", where),
        token_auth_methods=_names(members.get("token_endpoint_auth_methods_supported")),
        scopes=_names(members.get("scopes_supported")),
        names_issuer=members.get("authorization_response_iss_parameter_supported") is True,
        graph_host=members.get("msgraph_host") if isinstance(members.get("msgraph_host"), str) else None,
    )


def _address(members: Mapping[str, Any], name: str, where: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not secure(value):
        raise misconfigured(f"{where}: {name} is not an https address")
    return str(value)


def _required(members: Mapping[str, Any], name: str, where: str) -> str:
    value = _address(members, name, where)
    if value is None:
        raise misconfigured(f"{where} has no {name}")
    return value


def _names(value: Any) -> tuple[str, ...] | None:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else None
