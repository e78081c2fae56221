"""The upstreams of a gateway: one module per provider, and the one place that chooses among them."""

from gateway_config.contract import Egress, Upstream
from gateway_proxy.providers.anthropic import AnthropicUpstream
from gateway_proxy.upstream.pool import Pools

UpstreamClient = AnthropicUpstream
"""What the relay needs of any upstream: `name`, `priority`, `models`, `timeouts`, `send` and `fails_over`."""

__all__ = ["Pools", "UpstreamClient", "build"]


def build(upstream: Upstream, credential: str, egress: Egress, pools: Pools) -> UpstreamClient:
    """The client of one binding. Raises ValueError, with text that is fit for a log, for one that cannot work."""
    try:
        pool = pools.pool(upstream.base_url, egress)
    except ValueError as error:
        raise ValueError(f"upstream {upstream.name}: {error}") from error
    return AnthropicUpstream(upstream, credential, pool)
