"""The Lease: at most one operator acts. Whoever holds it renews it; whoever cannot renew it ends at once.

Time is judged by this process' monotonic clock alone: a foreign Lease has run out when it did not change for its own
duration, our own when the last renewal that succeeded was begun longer ago than the deadline. The duration is longer
than the deadline, so the old holder has ended before a new one begins.
"""

import asyncio
import datetime
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from gateway_operator import metrics
from gateway_operator.kube.client import KubeClient, Object
from gateway_operator.kube.connection import Access, Connection
from gateway_operator.kube.errors import AlreadyExistsError, ConflictError, KubeError
from gateway_operator.kube.resources import LEASES

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15
RENEW_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
"""After a renewal that failed, unless the API server asks for a longer pause: one that succeeds in time is enough."""
DEADLINE_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 3.0
"""One attempt at a renewal; several fit into the deadline."""
LOST_EXIT: Final = 4
"""Exit code of a process that held the Lease and lost it."""
_GUARD_SECONDS: Final = 0.25


class LostError(Exception):
    """The Lease was ours and is no longer, or may no longer be."""


class Tenure:
    """Until when this process may act, for threads and tasks alike."""

    def __init__(self, *, deadline: float = DEADLINE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = deadline
        self._clock = clock
        self._until: float | None = None

    def now(self) -> float:
        return self._clock()

    def extend(self, begun: float) -> None:
        """After a renewal that succeeded, and was begun at `begun` of the same clock."""
        self._until = begun + self._deadline

    def end(self) -> None:
        self._until = None

    @property
    def held(self) -> bool:
        return self._until is not None and self._clock() < self._until

    @property
    def overrun(self) -> bool:
        """It was held, was not given back, and its time is over."""
        return self._until is not None and self._clock() >= self._until


class FencedAccess:
    """Credentials that are given only to a holder of the Lease: no request leaves without it, whatever runs late."""

    def __init__(self, access: Access, tenure: Tenure) -> None:
        self._access = access
        self._tenure = tenure

    @property
    def namespace(self) -> str:
        return self._access.namespace

    async def connection(self, *, refused: Connection | None = None) -> Connection:
        connection = await self._access.connection(refused=refused)
        if not self._tenure.held:
            raise LostError("the Lease is not held: nothing is read or written")
        return connection


class Guard(threading.Thread):
    """Ends the process when the tenure is over, also while the event loop is stuck and could not see it."""

    def __init__(self, tenure: Tenure, *, end: Callable[[str], None]) -> None:
        super().__init__(name="lease guard", daemon=True)
        self._tenure = tenure
        self._end = end
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(_GUARD_SECONDS):
            if self._tenure.overrun:
                self._end(f"no renewal for {DEADLINE_SECONDS:g} s")
                return

    def stop(self) -> None:
        self._stopped.set()


def end_process(reason: str) -> None:
    """Ends the process at once, without any clean-up that could still write."""
    log.critical("the Lease is lost, this process ends: %s", reason)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(LOST_EXIT)


class Elector:
    """Takes, keeps and gives back one Lease. `client` is for this alone: nothing else may use up its connections."""

    def __init__(
        self,
        *,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        tenure: Tenure,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._tenure = tenure
        self._sleep = sleep
        self._lease: Object = {}
        self._written: set[str] = set()
        """Renewal times that are ours: of the last success, and of an attempt whose answer was lost."""
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0

    async def acquire(self, *, on_trouble: Callable[[str], None] = lambda _: None) -> None:
        """Returns once the Lease is ours. An unreachable API server is waited for. `on_trouble` is told at each look
        why the Lease cannot be read or written, or with an empty text that it can: a standby without the right to it
        would never take over."""
        told = ""
        while True:
            trouble = ""
            try:
                holder = await self._try_to_take()
            except (KubeError, TimeoutError) as error:
                trouble = str(error) or "no answer"
                holder = f"unknown: {trouble}"
            on_trouble(trouble)
            if holder is None:
                log.info("the Lease %s/%s is ours, as %s", self._namespace, self._name, self._identity)
                metrics.LEADING.set(1)
                return
            if holder != told:
                log.info("waiting for the Lease %s/%s; its holder is %s", self._namespace, self._name, holder)
                told = holder
            await self._sleep(RENEW_SECONDS)

    async def hold(self) -> None:
        """Renews until cancelled. Raises `LostError`."""
        pause = RENEW_SECONDS
        while True:
            await self._sleep(pause)
            pause = RENEW_SECONDS
            try:
                await self._renew()
            except (KubeError, TimeoutError) as error:
                metrics.LEASE_RENEWALS.labels("failure").inc()
                asked = error.retry_after if isinstance(error, KubeError) else None
                pause = min(max(asked or 0.0, RETRY_SECONDS), RENEW_SECONDS)
                log.warning(
                    "the Lease could not be renewed: %s", str(error) or f"no answer within {REQUEST_SECONDS:g} s"
                )
            else:
                metrics.LEASE_RENEWALS.labels("success").inc()
            if not self._tenure.held:
                raise LostError(f"no renewal for {DEADLINE_SECONDS:g} s")

    async def release(self) -> None:
        """Gives the Lease back, so that the next holder need not wait. Nothing may be written afterwards."""
        self._tenure.end()
        metrics.LEADING.set(0)
        spec = {**self._lease.get("spec", {}), "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _stamp()}
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client.replace({**self._lease, "spec": spec})
            log.info("the Lease %s/%s is given back", self._namespace, self._name)
        except (KubeError, TimeoutError) as error:
            log.warning("the Lease could not be given back, it runs out by itself: %s", error)

    async def _try_to_take(self) -> str | None:
        """None: it is ours. Otherwise who has it."""
        begun = self._tenure.now()
        async with asyncio.timeout(REQUEST_SECONDS):
            lease = await self._client.get(LEASES, self._namespace, self._name)
            stamp = _stamp()
            if lease is None:
                try:
                    self._taken(await self._client.create(self._new_lease(stamp)), begun, stamp)
                except AlreadyExistsError:
                    return "another, which was quicker"
                return None
            spec = lease.get("spec") or {}
            holder = spec.get("holderIdentity") or ""
            if holder not in ("", self._identity) and not self._has_run_out(lease, begun):
                return str(holder)
            changes = holder != self._identity
            spec = {
                **spec,
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": stamp,
                "acquireTime": stamp,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + changes,
            }
            try:
                self._taken(await self._client.replace({**lease, "spec": spec}), begun, stamp)
            except ConflictError:
                return "another, which was quicker"
            return None

    def _has_run_out(self, lease: Object, now: float) -> bool:
        spec = lease.get("spec") or {}
        seen = (lease["metadata"].get("resourceVersion"), spec.get("holderIdentity"), spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        return now - self._seen_at >= float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)

    def _taken(self, lease: Object, begun: float, stamp: str) -> None:
        self._lease = lease
        self._written = {stamp}
        self._tenure.extend(begun)

    async def _renew(self) -> None:
        begun, stamp = self._tenure.now(), _stamp()
        self._written.add(stamp)
        async with asyncio.timeout(REQUEST_SECONDS):
            try:
                lease = await self._client.replace(self._renewed(self._lease, stamp))
            except ConflictError:
                self._lease = await self._read_own()
                lease = await self._client.replace(self._renewed(self._lease, stamp))
        self._taken(lease, begun, stamp)

    async def _read_own(self) -> Object:
        """The Lease as it is, when only others' labels or a lost answer made it another. Raises `LostError`."""
        lease = await self._client.get(LEASES, self._namespace, self._name)
        if lease is None:
            raise LostError("it was deleted")
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or "nobody"
        if holder != self._identity:
            raise LostError(f"its holder is {holder}")
        if spec.get("renewTime") not in self._written:
            raise LostError(f"another process renews it as {holder}")
        return lease

    def _renewed(self, lease: Object, stamp: str) -> Object:
        return {**lease, "spec": {**lease.get("spec", {}), "renewTime": stamp}}

    def _new_lease(self, stamp: str) -> Object:
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"namespace": self._namespace, "name": self._name},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": stamp,
                "renewTime": stamp,
                "leaseTransitions": 0,
            },
        }


def _stamp() -> str:
    """Now, as a Lease's MicroTime; for people and other processes' eyes, never compared with a clock."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
