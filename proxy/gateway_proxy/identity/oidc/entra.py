"""Microsoft Entra leaves the groups out of a token when they are too many, and says so; Microsoft Graph tells them.

Source: learn.microsoft.com/entra/identity-platform/id-token-claims-reference (groups overage claim) and
learn.microsoft.com/graph/api/directoryobject-getmemberobjects.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from gateway_config.contract import IdentityProvider
from gateway_proxy.identity.oidc import claims as values
from gateway_proxy.identity.oidc.calls import Calls, succeeded
from gateway_proxy.identity.oidc.claims import ClaimError
from gateway_proxy.identity.oidc.failures import SignInRefusedError
from gateway_proxy.identity.oidc.people import MAX_GROUPS

GROUPS: Final = "groups"
"""The one claim that Graph tells."""
_GRAPH_OF: Final = {
    "login.microsoftonline.com": "graph.microsoft.com",
    "sts.windows.net": "graph.microsoft.com",
    "login.microsoftonline.us": "graph.microsoft.us",
    "login.partner.microsoftonline.cn": "microsoftgraph.chinacloudapi.cn",
    "login.chinacloudapi.cn": "microsoftgraph.chinacloudapi.cn",
}
_GRAPHS: Final = frozenset((*_GRAPH_OF.values(), "dod-graph.microsoft.us"))
"""Hosts that an access token may be sent to, whatever a discovery document says."""


def left_out(claims: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Those claims of the names and JSON pointers that the token would have held, as it says, had they been shorter."""
    named = claims.get("_claim_names")
    elsewhere = set(named) if isinstance(named, dict) else set()
    if claims.get("hasgroups") in (True, "true"):
        elsewhere.add(GROUPS)
    return {member for member in map(values.member, names) if member in elsewhere and claims.get(member) is None}


async def all_groups(
    calls: Calls, provider: IdentityProvider, *, access_token: str | None, graph_host: str | None
) -> list[str]:
    """Object ids of every group and role of the token's bearer; raises SignInRefusedError where Graph does not tell
    them to us, ProviderUnavailableError where it cannot now."""
    host = _GRAPH_OF.get(urlsplit(provider.issuer).hostname or "")
    if host is None or access_token is None:
        raise overage(provider, "the token leaves the groups out and no directory tells them")
    if graph_host in _GRAPHS:
        host = graph_host
    # securityEnabledOnly would leave out groups that a token may name, and a policy deny.
    answered = await calls.call(
        "POST",
        f"https://{host}/v1.0/me/getMemberObjects",
        headers={"authorization": f"Bearer {access_token}", "content-type": "application/json"},
        body=orjson.dumps({"securityEnabledOnly": False}),
    )
    if answered.status in (400, 401, 403):
        raise overage(provider, answered.said())
    try:
        return values.texts(succeeded(answered), "value", most=MAX_GROUPS)
    except ClaimError as error:
        raise overage(provider, f"{answered.where}: {error}") from error


def overage(provider: IdentityProvider, why: str) -> SignInRefusedError:
    return SignInRefusedError(
        "GroupsLeftOut",
        f"You are in more groups than {provider.name} tells this gateway. Ask your gateway's administrator.",
        f"{provider.name}: {why}: let tokens hold only the groups that are assigned to the application, or grant it "
        "GroupMember.Read.All and User.ReadBasic.All",
    )
