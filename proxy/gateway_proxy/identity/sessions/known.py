"""Session tokens of a pod that has just begun: they wait until it knows which sessions have been ended."""

from collections.abc import Awaitable

from gateway_proxy.identity.principal import Principal
from gateway_proxy.identity.sessions.feed import RevocationFeed
from gateway_proxy.identity.sessions.tokens import SessionTokens


class KnownSessions:
    """A recogniser of session tokens."""

    def __init__(self, tokens: SessionTokens, feed: RevocationFeed) -> None:
        self._tokens = tokens
        self._feed = feed

    def find(self, presented: str) -> Principal | Awaitable[Principal | None] | None:
        """As SessionTokens.find; to be awaited until the feed is settled."""
        found = self._tokens.find(presented)
        return found if found is None or self._feed.settled else self._later(presented)

    async def _later(self, presented: str) -> Principal | None:
        await self._feed.first_look()
        return self._tokens.find(presented)
