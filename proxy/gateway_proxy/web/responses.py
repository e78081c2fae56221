"""A small answer that the gateway makes itself, before the server puts a head before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """With `content-type`; the server adds `content-length` and `x-request-id`."""
