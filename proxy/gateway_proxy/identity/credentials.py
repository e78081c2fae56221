"""How a credential is presented, and what can tell whose it is."""

from collections.abc import Awaitable
from typing import Final, Protocol

from gateway_proxy.identity.principal import Principal

MAX_CREDENTIAL_CHARACTERS: Final = 16 * 1024
"""Longer ones do not fit into a header line that the server takes; tokens with many groups come near."""

_SCHEME: Final = "bearer "


class Recogniser(Protocol):
    """Knows one kind of credential."""

    def find(self, presented: str) -> Principal | Awaitable[Principal | None] | None:
        """Whose credential this is; None where it is not of this kind, or of nobody.

        Something to await only where the answer is not in memory. Raises GatewayError, at once or when awaited: 401
        where a credential of this kind is no longer good, 503 where that cannot be told now.
        """
        ...


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None when there is none or another scheme is used."""
    if authorization is None or authorization[:7].lower() != _SCHEME:
        return None
    return authorization[7:].strip() or None
