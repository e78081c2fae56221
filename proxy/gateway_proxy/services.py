"""What the parts of one process share."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway_proxy import errors
from gateway_proxy.config.holder import Holder
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.drain import Drain
from gateway_proxy.identity.sessions.feed import RevocationFeed
from gateway_proxy.identity.sessions.revocations import Revocations
from gateway_proxy.telemetry.audit import AuditLog
from gateway_proxy.telemetry.metrics import Metrics
from gateway_proxy.telemetry.relay.relay import Relay
from gateway_proxy.telemetry.sign_in_metrics import SignInMetrics

if TYPE_CHECKING:
    from gateway_proxy.store.store import Store


@dataclass(slots=True)
class Services:
    audit: AuditLog
    started_at: float = field(default_factory=time.time)
    """Unix seconds: tells a process from the one before it in the same pod."""
    holder: Holder = field(default_factory=Holder)
    metrics: Metrics = field(default_factory=Metrics)
    drain: Drain = field(default_factory=Drain)
    revocations: Revocations = field(default_factory=Revocations)
    relay: Relay = field(init=False)
    sign_in_metrics: SignInMetrics = field(default_factory=SignInMetrics)
    revocation_feed: RevocationFeed = field(init=False)
    store: "Store | None" = None
    """That of the configuration in force. It may be away: its calls raise StoreUnavailableError."""
    live_pods: int = 1
    """How many pods of this gateway share its limits, this one included, as the store last told; 1 without a store."""

    def __post_init__(self) -> None:
        self.relay = Relay(self.metrics.registry)
        self.metrics.registry.register(self.sign_in_metrics)
        self.revocation_feed = RevocationFeed(self.revocations, store=lambda: self.store, metrics=self.sign_in_metrics)
        self.metrics.open_streams = lambda: self.drain.open_streams
        self.metrics.bindings = lambda: self.holder.current.bindings.values() if self.holder.current else ()
        self.metrics.clients = lambda: self.holder.current.upstreams if self.holder.current else ()
        self.metrics.draining = lambda: self.drain.draining
        self.metrics.audit_dropped = lambda: self.audit.dropped

    @property
    def ready(self) -> bool:
        """Whether new work should come here; a store or an upstream that is down does not change it."""
        return self.holder.current is not None and not self.drain.draining

    def configuration(self) -> LiveConfiguration:
        """The configuration in force; raises GatewayError (503) before there is one."""
        current = self.holder.current
        if current is None:
            raise errors.not_ready()
        return current
