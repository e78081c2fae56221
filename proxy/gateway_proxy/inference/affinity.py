"""The order in which upstreams are tried: by priority, and among equals each session has an order of its own.

Weighted rendezvous hashing: every upstream draws a number from the session's name and its own, and the lowest is
first. So each session keeps to one upstream, whose prompt cache then knows its conversation; every pod, and every pod
after a restart, comes to the same order without asking anybody; and where an upstream goes, only its sessions move.
"""

import math
from collections.abc import Sequence
from typing import Final

from gateway_proxy.client_request import ClientRequest
from gateway_proxy.identity.principal import Principal
from gateway_proxy.inference.standing import Binding
from gateway_proxy.policy.effective import Route

SESSION_HEADER: Final = "x-claude-code-session-id"
_DRAWS: Final = 2.0**64


def affinity_key(request: ClientRequest, principal: Principal) -> bytes:
    """What a request keeps to its upstream by: its session, or the caller where it names none."""
    name = request.headers.get(SESSION_HEADER)
    if not name:
        caller = principal.caller
        name = caller.user if caller is not None else principal.passthrough_authorization or ""
    return name.encode("utf-8", "surrogateescape")


def in_order(tiers: Sequence[Sequence[Route]], key: bytes) -> list[Route]:
    """All routes, in the order that `key` tries them; `tiers` by priority."""
    order: list[Route] = []
    for tier in tiers:
        if len(tier) == 1:
            order.append(tier[0])
        else:
            order += sorted(tier, key=lambda route: _draw(route.standing.binding, key))
    return order


def _draw(binding: Binding, key: bytes) -> float:
    """Of the exponential distribution with the upstream's weight as its rate: the lowest of several is one's own as
    often as one's share of the weights says."""
    digest = binding.seed.copy()
    digest.update(key)
    uniform = (int.from_bytes(digest.digest()) + 0.5) / _DRAWS
    return -math.log(uniform) / binding.weight
