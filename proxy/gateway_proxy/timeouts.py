"""How patient a process is with its clients."""

from dataclasses import dataclass
from typing import Final

LEAST_BYTES_PER_SECOND: Final = 16 * 1024
"""Of a request's body. A client gives up after ten minutes; at this rate it has then sent ten megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """All in seconds, and looked at twice a second. `--limit NAME=SECONDS` sets them by these names."""

    head: float = 60.0
    """For a request's head, from its first byte; for a TLS handshake too."""
    silence: float = 60.0
    """Between two packets of a request's body."""
    body: float = 60.0
    """For a request's body, whatever its size; beyond it, a second for each LEAST_BYTES_PER_SECOND that have come."""
    idle: float = 650.0
    """Between two requests. Longer than the 600 s of common load balancers: they must be the ones to close."""
    stall: float = 300.0
    """How long a client may take nothing of what was written before it counts as gone."""
    report: float = 60.0
    """Between two reports of the gateway's own metrics to collectors."""
    ping: float = 15.0
    """Silence in a stream after which the client gets a ping; it shows a banner at 20 s and gives up at 300 s."""
