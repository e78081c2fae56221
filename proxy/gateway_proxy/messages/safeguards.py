"""Refusing `safeguards`, for gateways whose upstreams do not check what tools are about to do.

Claude Code sends the member together with a beta. Answered with a 400 that names `safeguards`, it sends the request
again without both and decides by itself; a member that was dropped silently would leave auto mode without any check.
"""

from typing import Final

from multidict import CIMultiDictProxy

from gateway_proxy import errors
from gateway_proxy.messages import betas
from gateway_proxy.messages.body import Members

BETA_PREFIX: Final = "dangerous-tool-use-"
"""Of the beta that goes with the member; a date follows (2026-09-03 with Claude Code 2.1.330)."""


def refuse(members: Members, headers: CIMultiDictProxy[str]) -> None:
    """Raises GatewayError (400) for a request that asks for safeguards."""
    if "safeguards" in members or any(name.startswith(BETA_PREFIX) for name in betas.names(headers)):
        raise errors.safeguards_refused()
