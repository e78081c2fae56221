"""Every destination of the configuration in force, and who is told of a batch."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from gateway_config.contract import Destination
from gateway_proxy.outbound.client import Outbound
from gateway_proxy.telemetry.relay.batch import Batch, Signal
from gateway_proxy.telemetry.relay.counts import Counts, RelayCollector
from gateway_proxy.telemetry.relay.grpc_sender import GrpcSender
from gateway_proxy.telemetry.relay.http_sender import HttpSender
from gateway_proxy.telemetry.relay.lane import Lane, Sender

FORMER_SECONDS: Final = 10.0
"""For what waits for a destination that a new configuration does not name any more, or names otherwise."""


class Collector(NamedTuple):
    """A destination with the values of its headers."""

    destination: Destination
    headers: Mapping[str, str]


class _Open(NamedTuple):
    collector: Collector
    outbound: Outbound
    lane: Lane


class Relay:
    """One for the process; on the event loop alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open: dict[str, _Open] = {}
        self._by_signal: dict[Signal, list[Lane]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._series = RelayCollector()
        registry.register(self._series)

    def apply(self, collectors: Iterable[Collector], outbound: Outbound) -> None:
        """Sends to these from now on. One that is as before keeps what waits for it."""
        before, self._open = self._open, {}
        for collector in collectors:
            name = collector.destination.name
            old = before.get(name)
            if old is not None and old.collector == collector and old.outbound is outbound:
                self._open[name] = before.pop(name)
            else:
                self._open[name] = self._opened(collector, outbound)
        for former in before.values():
            task = asyncio.get_running_loop().create_task(former.lane.close(seconds=FORMER_SECONDS))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        counted = self._series.destinations
        self._series.destinations = {name: counted[name] for name in self._open}
        self._by_signal = {}
        for entry in self._open.values():
            for signal in entry.collector.destination.signals:
                self._by_signal.setdefault(signal, []).append(entry.lane)

    def wants(self, signal: Signal) -> bool:
        return signal in self._by_signal

    def offer(self, signal: Signal, body: bytes, *, content_type: str, encoding: str | None) -> None:
        """Queues a batch for every destination that takes the signal."""
        lanes = self._by_signal.get(signal)
        if lanes:
            batch = Batch(signal, body, content_type, encoding, asyncio.get_running_loop().time())
            for lane in lanes:
                lane.offer(batch)

    async def close(self, *, seconds: float) -> None:
        """Sends what is queued, for at most `seconds`."""
        lanes = [entry.lane for entry in self._open.values()]
        self._open, self._by_signal = {}, {}
        await asyncio.gather(*(lane.close(seconds=seconds) for lane in lanes))
        for task in tuple(self._leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _opened(self, collector: Collector, outbound: Outbound) -> _Open:
        destination, headers = collector
        counts = self._series.destinations.setdefault(destination.name, Counts())
        sender: Sender
        if destination.protocol == "GRPC":
            sender = GrpcSender(destination, headers, outbound)
        else:
            sender = HttpSender(destination, headers, outbound)
        return _Open(collector, outbound, Lane(destination.name, sender, counts))
