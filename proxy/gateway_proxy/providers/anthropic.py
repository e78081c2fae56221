"""The Anthropic API, or whatever speaks it at a binding's base URL."""

from collections.abc import Sequence
from typing import ClassVar, Final

from gateway_config.contract import FederatedCredential, Upstream
from gateway_proxy.credentials.federated import federated_token
from gateway_proxy.credentials.renewing import Renewing
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.providers.client import Call
from gateway_proxy.providers.messages_api import FixedLine, HeaderChoice, MessagesAPIUpstream
from gateway_proxy.upstream.pool import Pool

OAUTH_BETA: Final = b"oauth-2025-04-20"
"""The capability without which the Anthropic API takes no OAuth token."""

_BETA: Final = b"anthropic-beta: "


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

    def authorization(self, call: Call, model: str, lines: list[bytes], body: bytes) -> bytes | None:
        own = call.principal.passthrough_authorization
        if own is not None:
            return b"authorization: " + own.encode("utf-8", "surrogateescape")
        line: bytes | None = self.credential.current
        if line is not None and self._oauth:
            _add_oauth_beta(lines)
        return line


def _add_oauth_beta(lines: list[bytes]) -> None:
    """Names the capability behind the client's own, unless it is among them."""
    present = [number for number, line in enumerate(lines) if line.startswith(_BETA)]
    if not present:
        lines.append(_BETA + OAUTH_BETA)
        return
    named = [value.strip() for number in present for value in lines[number][len(_BETA) :].split(b",")]
    if OAUTH_BETA not in named:
        last = present[-1]
        lines[last] += (b"," if len(lines[last]) > len(_BETA) else b"") + OAUTH_BETA
