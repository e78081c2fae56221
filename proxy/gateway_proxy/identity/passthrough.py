"""Subscription pass-through: a claude.ai login that goes on to the Anthropic API as it came."""

from typing import Final

from gateway_proxy.identity.principal import Principal

_OAUTH_PREFIX: Final = "sk-ant-oat"
"""How OAuth access tokens of claude.ai begin; API keys (`sk-ant-api`) are never passed through."""

_AUDIT_FIELDS: Final = {"auth": "subscription_passthrough"}


def is_subscription_token(token: str) -> bool:
    return token.startswith(_OAUTH_PREFIX)


def principal(token: str) -> Principal:
    """A principal without a caller: the gateway cannot tell whose token it is, the Anthropic API does."""
    return Principal(caller=None, passthrough_authorization=f"Bearer {token}", audit_fields=_AUDIT_FIELDS)
