"""The Anthropic API, or whatever speaks it at a binding's base URL."""

from collections.abc import Sequence
from typing import ClassVar, Final

from gateway_config.contract import Upstream
from gateway_config.upstream_credentials import FederatedCredential
from gateway_proxy.credentials.federated import federated_token
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.messages.betas import BetaValues
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice, MessagesAPIUpstream
from gateway_proxy.upstream.pool import Pool

OAUTH_BETA: Final = b"oauth-2025-04-20"
"""The capability without which the Anthropic API takes no OAuth token."""


class AnthropicUpstream(MessagesAPIUpstream):
    """One binding of type Anthropic."""

    __slots__ = ("_oauth",)

    takes_logins = True

    # Which workspace pays and answers is the credential's to say, never a developer's.
    choice: ClassVar[HeaderChoice] = HeaderChoice(b"anthropic-workspace-id")

    def __init__(self, upstream: Upstream, pool: Pool, values: Sequence[str], outbound: Outbound) -> None:
        """Raises ValueError for a credential that cannot stand in a header; the text never holds it."""
        credential: FixedLine | Renewing[bytes]
        if isinstance(upstream.credential, FederatedCredential):
            self._oauth = True
            credential = federated_token(upstream.credential, base_url=upstream.base_url, outbound=outbound)
        else:
            self._oauth = upstream.credential.kind == "OAuthToken"
            scheme = b"authorization: Bearer " if self._oauth else b"x-api-key: "
            credential = FixedLine(upstream, scheme, values[0])
        super().__init__(upstream, pool, credential)

    def betas(self, call: Call) -> BetaValues:
        """With the capability of the gateway's own token behind the client's, unless it is among them."""
        values = call.betas
        if not self._oauth or call.principal.passthrough_authorization is not None:
            return values
        if not values:
            return (OAUTH_BETA,)
        if any(name.strip() == OAUTH_BETA for value in values for name in value.split(b",")):
            return values
        return (*values[:-1], values[-1] + b"," + OAUTH_BETA if values[-1] else OAUTH_BETA)

    def authorization(self, call: Call, model: str, body: bytes) -> bytes | None:
        own = call.principal.passthrough_authorization
        if own is not None:
            return b"authorization: " + own.encode("utf-8", "surrogateescape")
        line: bytes | None = self.credential.current
        return line
