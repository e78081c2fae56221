"""Microsoft Foundry: Anthropic's Messages API behind the resource's own address, with a key or a token of Entra."""

from gateway_proxy.providers.cloud_messages_api import CloudMessagesAPIUpstream


class FoundryUpstream(CloudMessagesAPIUpstream):
    """One binding of type Foundry. Its base URL ends with `/anthropic`."""

    __slots__ = ()
