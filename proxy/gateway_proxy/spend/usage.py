"""Token counts of one request, and how they are read out of a `usage` object."""

from dataclasses import dataclass
from typing import Any, Final

MAX_COUNT: Final = 10**12
"""No real request comes near; a larger number is a damaged one and counts as this."""
CHARACTERS_PER_TOKEN: Final = 4
"""The customary estimate for text without a count."""


@dataclass(slots=True)
class Usage:
    """Tokens by kind. `estimated` says that the output was counted from the text, because no final count came."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    web_search_requests: int = 0
    speed: str | None = None
    estimated: bool = False

    @property
    def empty(self) -> bool:
        return not (
            self.input_tokens
            or self.output_tokens
            or self.cache_read_input_tokens
            or self.cache_creation_5m_input_tokens
            or self.cache_creation_1h_input_tokens
            or self.web_search_requests
        )

    def raise_to(self, other: "Usage") -> None:
        """Takes the larger of each count but the output's: a stream reports input at its start and again at its end."""
        self.input_tokens = max(self.input_tokens, other.input_tokens)
        self.cache_read_input_tokens = max(self.cache_read_input_tokens, other.cache_read_input_tokens)
        self.web_search_requests = max(self.web_search_requests, other.web_search_requests)
        if (
            other.cache_creation_5m_input_tokens + other.cache_creation_1h_input_tokens
            > self.cache_creation_5m_input_tokens + self.cache_creation_1h_input_tokens
        ):
            self.cache_creation_5m_input_tokens = other.cache_creation_5m_input_tokens
            self.cache_creation_1h_input_tokens = other.cache_creation_1h_input_tokens


def count(value: Any) -> int:
    """A token count as received; anything that is none counts as 0."""
    if type(value) is not int or value < 0:
        return 0
    return min(value, MAX_COUNT)


def usage_of(members: Any) -> Usage:
    """The counts of a `usage` object, whatever shape it has."""
    if not isinstance(members, dict):
        return Usage()
    usage = Usage(
        input_tokens=count(members.get("input_tokens")),
        output_tokens=count(members.get("output_tokens")),
        cache_read_input_tokens=count(members.get("cache_read_input_tokens")),
    )
    _read_cache_creation(usage, members)
    tools = members.get("server_tool_use")
    if isinstance(tools, dict):
        usage.web_search_requests = count(tools.get("web_search_requests"))
    speed = members.get("speed")
    if isinstance(speed, str) and len(speed) <= 32:
        usage.speed = speed
    return usage


def _read_cache_creation(usage: Usage, members: dict[str, Any]) -> None:
    written = count(members.get("cache_creation_input_tokens"))
    breakdown = members.get("cache_creation")
    one_hour = five_minutes = 0
    if isinstance(breakdown, dict):
        one_hour = count(breakdown.get("ephemeral_1h_input_tokens"))
        five_minutes = count(breakdown.get("ephemeral_5m_input_tokens"))
    split_cache_creation(usage, written=written, five_minutes=five_minutes, one_hour=one_hour)


def split_cache_creation(usage: Usage, *, written: int, five_minutes: int, one_hour: int) -> None:
    """Sets both counts of cache writes from the total and its breakdown; either may be absent (0)."""
    if written:
        # The total is what is billed; the breakdown only tells how much of it is the dearer kind.
        one_hour = min(one_hour, written)
        five_minutes = written - one_hour
    usage.cache_creation_1h_input_tokens = one_hour
    usage.cache_creation_5m_input_tokens = five_minutes


def estimated_tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
