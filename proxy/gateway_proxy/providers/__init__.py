"""The upstreams of a gateway: one module per provider, and the one place that chooses among them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway_config.contract import Upstream
from gateway_proxy.credentials.aws import aws_credentials
from gateway_proxy.credentials.entra import entra_token
from gateway_proxy.credentials.google import google_token
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.credentials.sigv4 import FrozenAWS
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.providers.anthropic import AnthropicUpstream
from gateway_proxy.providers.bedrock import BedrockUpstream
from gateway_proxy.providers.claude_platform_aws import ClaudePlatformAWSUpstream
from gateway_proxy.providers.client import Call, UpstreamClient
from gateway_proxy.providers.foundry import FoundryUpstream
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.providers.vertex_ai import VertexAIUpstream
from gateway_proxy.upstream.pool import Pool, Pools

__all__ = ["Call", "Pools", "UpstreamClient", "build"]

_Builder = Callable[[Upstream, Pool, Sequence[str], Outbound], UpstreamClient]
"""Gets the values of the upstream's credential, in the order of `values_of`, and what its token endpoints are asked
by."""


def _bedrock(upstream: Upstream, pool: Pool, values: Sequence[str], outbound: Outbound) -> UpstreamClient:
    return BedrockUpstream(upstream, pool, _of_aws(upstream, b"authorization: Bearer ", values, outbound))


def _claude_platform_aws(upstream: Upstream, pool: Pool, values: Sequence[str], outbound: Outbound) -> UpstreamClient:
    return ClaudePlatformAWSUpstream(upstream, pool, _of_aws(upstream, b"x-api-key: ", values, outbound))


def _of_aws(
    upstream: Upstream, before: bytes, values: Sequence[str], outbound: Outbound
) -> FixedLine | Renewing[FrozenAWS]:
    """What requests are signed with, or the header line that `before` begins."""
    if upstream.credential.kind == "AWS":
        return aws_credentials(upstream.credential, values, region=upstream.region, outbound=outbound)
    return FixedLine(upstream, before, values[0])


def _foundry(upstream: Upstream, pool: Pool, values: Sequence[str], outbound: Outbound) -> UpstreamClient:
    credential: FixedLine | Renewing[bytes]
    if upstream.credential.kind == "Entra":
        credential = entra_token(upstream.credential, values, outbound=outbound)
    else:
        credential = FixedLine(upstream, b"x-api-key: ", values[0])
    return FoundryUpstream(upstream, pool, credential)


def _vertex_ai(upstream: Upstream, pool: Pool, values: Sequence[str], outbound: Outbound) -> UpstreamClient:
    if upstream.credential.kind != "Google":
        raise ValueError(f"upstream {upstream.name}: Vertex AI takes tokens of Google Cloud alone")
    return VertexAIUpstream(upstream, pool, google_token(upstream.credential, values, outbound=outbound))


_BUILDERS: Final[Mapping[str, _Builder]] = {
    "Anthropic": AnthropicUpstream,
    "Bedrock": _bedrock,
    "ClaudePlatformAWS": _claude_platform_aws,
    "Foundry": _foundry,
    "VertexAI": _vertex_ai,
}


def build(upstream: Upstream, values: Sequence[str], *, outbound: Outbound, pools: Pools) -> UpstreamClient:
    """The client of one binding. Raises ValueError, with text that is fit for a log, for one that cannot work."""
    try:
        pool = pools.pool(upstream.base_url, outbound.egress)
    except ValueError as error:
        raise ValueError(f"upstream {upstream.name}: {error}") from error
    client = _BUILDERS[upstream.type](upstream, pool, values, outbound)
    if client.renewing is not None:
        client.renewing.upstream = upstream.name
    return client
