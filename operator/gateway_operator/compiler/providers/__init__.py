"""One room for each provider: what its bindings lead to. A new provider is a module here and a row in the table."""

from collections.abc import Mapping
from typing import Any, Final

from gateway_operator.compiler.providers import anthropic, bedrock, claude_platform_aws, foundry, vertex_ai
from gateway_operator.compiler.providers.room import Keyring, Place, Room, UnusableError

__all__ = ["ROOMS", "Keyring", "Place", "Room", "UnusableError"]

ROOMS: Final[Mapping[str, Room[Any]]] = {
    "Anthropic": anthropic.ROOM,
    "Bedrock": bedrock.ROOM,
    "ClaudePlatformAWS": claude_platform_aws.ROOM,
    "VertexAI": vertex_ai.ROOM,
    "Foundry": foundry.ROOM,
}
"""By `spec.type`."""
