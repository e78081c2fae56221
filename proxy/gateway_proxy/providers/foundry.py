"""Microsoft Foundry: Anthropic's Messages API behind the resource's own address, with a key or a token of Entra."""

from gateway_config.contract import Upstream
from gateway_proxy.providers.cloud_messages_api import CloudMessagesAPIUpstream
from gateway_proxy.providers.messages_api import FixedLine
from gateway_proxy.upstream.pool import Pool


class FoundryUpstream(CloudMessagesAPIUpstream):
    """One binding of type Foundry. Its base URL ends with `/anthropic`."""

    __slots__ = ()

    def __init__(self, upstream: Upstream, pool: Pool, credential: str) -> None:
        """Raises ValueError for a credential that cannot stand in a header; the text never holds it."""
        super().__init__(upstream, pool, FixedLine(upstream, b"x-api-key: ", credential))
