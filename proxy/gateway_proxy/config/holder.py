"""The configuration in force, and what is wrong with the newest one."""

from dataclasses import dataclass

from gateway_proxy.config.live import LiveConfiguration


@dataclass(frozen=True, slots=True)
class LoadError:
    """Why the newest bundle is not in force."""

    reason: str
    """Stable CamelCase."""
    message: str
    at: float
    """Unix seconds."""


@dataclass(slots=True)
class Holder:
    """Read by every request, written by the watcher: on the event loop alone, by one assignment."""

    current: LiveConfiguration | None = None
    """None until the first usable bundle."""
    loaded_at: float | None = None
    last_error: LoadError | None = None
    """None while the newest bundle is in force."""
