"""Follows the bundle directory: notice a change, verify and build in a thread, swap on the event loop.

The directory is looked at ten times a second by `stat`. That costs less than a notification library's own wake-ups, and
it has none of the ways to fail: exhausted inotify instances, a directory that is made later or replaced, lost events.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway_config import bundle as bundles
from gateway_config.bundle import BundleError
from gateway_proxy.config.holder import LoadError
from gateway_proxy.config.live import LiveConfiguration
from gateway_proxy.files import FileSignature, file_signature
from gateway_proxy.providers import Pools
from gateway_proxy.services import Services
from gateway_proxy.store.stores import Stores
from gateway_proxy.telemetry.audit import config_line

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.1
RECHECK_SECONDS: Final = 5.0
"""After so long the index is read even when nothing seems to have changed: a file rewritten in place within one tick
of the file system's clock looks the same."""
PATIENCE_SECONDS: Final = 1.5
"""How long files of two revisions may lie side by side before that counts as a failure: writers of plain directories
are not atomic, and the kubelet fetches the parts' Secrets one by one."""
RETRY_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
_PASSING: Final = frozenset({"ConfigMissing", "ConfigIncomplete"})
"""Reasons that may go away without another change of the index."""

_FILES: Final = (
    bundles.INDEX_FILE,
    bundles.CREDENTIALS_FILE,
    *(bundles.part_file(number) for number in range(bundles.MAX_PARTS)),
)


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    message: str


class ConfigWatcher:
    """Keeps `services.holder` at the newest usable bundle of a directory."""

    def __init__(
        self,
        directory: Path,
        *,
        services: Services,
        pools: Pools,
        stores: Stores,
        on_first_load: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._files = [directory / name for name in _FILES]
        self._on_first_load = on_first_load
        self._services = services
        self._pools = pools
        self._stores = stores
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config", daemon=True)
        self._live: LiveConfiguration | None = None
        """The newest that was built. Written by the thread; the event loop puts it in force a little later."""
        # Of the thread alone:
        self._signature: tuple[FileSignature | None, ...] | None = None
        self._failure: _Failure | None = None
        self._failing_since = 0.0
        self._reported: _Failure | None = None
        self._retries = 0
        self._next_attempt = 0.0
        self._next_recheck = 0.0

    def start(self) -> None:
        """Begins to follow the directory; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            now = time.monotonic()
            if self._due(now):
                self._next_recheck = now + RECHECK_SECONDS
                self._attempt(now)
            self._stopping.wait(POLL_SECONDS)

    def _due(self, now: float) -> bool:
        signature = tuple(file_signature(path) for path in self._files)
        changed = signature != self._signature
        self._signature = signature
        if changed:
            self._retries = 0
            return True
        if self._failure is not None and self._failure.reason in _PASSING:
            return now >= self._next_attempt
        return now >= self._next_recheck

    def _attempt(self, now: float) -> None:
        started = time.perf_counter()
        try:
            live = self._load()
        except BundleError as error:
            self._failed(_Failure(error.reason, str(error)), now)
        except (OSError, ValueError) as error:
            # A certificate, an address or a store that cannot be used.
            self._failed(_Failure("ConfigUnusable", str(error)), now)
        except Exception as error:
            log.exception("loading the configuration failed", extra={"event": "config.load_error"})
            self._failed(_Failure("InternalError", f"{type(error).__name__}: {error}"), now)
        else:
            seconds = time.perf_counter() - started
            recovered, self._failure, self._reported = self._reported is not None, None, None
            if live is not self._live or recovered:
                self._live = live
                self._on_loop(lambda: self._swap(live, seconds=seconds))

    def _load(self) -> LiveConfiguration:
        """The newest configuration: the one in force where the index names it."""
        current = self._live
        if current is not None and self._index_names(current):
            return current
        bundle = bundles.read(self._directory)
        if current is not None and bundle.index.revision == current.revision:
            return current.renumbered(bundle.index.sequence)
        services = self._services
        return LiveConfiguration(
            bundle,
            pools=self._pools,
            series=services.metrics.series,
            stores=self._stores,
            previous=current,
            revoked=services.revocations.ids,
            feed=services.revocation_feed,
        )

    def _index_names(self, current: LiveConfiguration) -> bool:
        try:
            index = json.loads((self._directory / bundles.INDEX_FILE).read_bytes())
        except (OSError, ValueError, RecursionError):
            return False  # reading the whole bundle tells what is wrong
        return (
            isinstance(index, dict)
            and index.get("revision") == current.revision
            and index.get("sequence") == current.sequence
        )

    def _failed(self, failure: _Failure, now: float) -> None:
        if self._failure is None or self._failure.reason != failure.reason:
            self._failing_since = now
        self._failure = failure
        self._next_attempt = now + RETRY_SECONDS[min(self._retries, len(RETRY_SECONDS) - 1)]
        self._retries += 1
        passing = failure.reason in _PASSING
        patient = passing and self._live is not None and now - self._failing_since < PATIENCE_SECONDS
        if not patient and failure != self._reported:
            self._reported = failure
            self._on_loop(lambda: self._report(failure))

    def _on_loop(self, action: Callable[[], None]) -> None:
        assert self._loop is not None, "start() sets it before the thread runs"
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:
            self._stopping.set()  # the loop has closed: the process is ending

    def _swap(self, live: LiveConfiguration, *, seconds: float) -> None:
        services = self._services
        before, services.holder.current = services.holder.current, live
        if before is not None and before.session_tokens is not live.session_tokens:
            before.session_tokens.forget()
        self._stores.use(live.built_store)
        services.holder.last_error = None
        services.holder.loaded_at = time.time()
        services.metrics.loaded(revision=live.revision, sequence=live.sequence, seconds=seconds)
        configuration = live.configuration
        services.metrics.keep_only(
            {upstream.name for upstream in configuration.upstreams}, {model.id for model in configuration.models}
        )
        if live is self._live:
            # Else the next one is built already, perhaps upon pools that this one does not use.
            self._pools.retain([*(client.pool for client in live.upstreams), *live.outbound.pools])
        for client in live.upstreams:
            client.prepare()
        services.relay.apply(live.collectors, live.outbound)
        services.audit.wanted = configuration.audit.stdout
        services.audit.write(config_line(revision=live.revision, sequence=live.sequence, outcome="loaded"))
        log.info(
            "configuration in force",
            extra={
                "event": "config.loaded",
                "revision": live.revision,
                "sequence": live.sequence,
                "policies": len(configuration.policies),
                "upstreams": len(configuration.upstreams),
                "developer_keys": len(configuration.developer_keys),
                "ms": round(seconds * 1000, 1),
            },
        )
        if services.metrics.config.loads == 1:
            self._on_first_load()

    def _report(self, failure: _Failure) -> None:
        services = self._services
        current = services.holder.current
        services.holder.last_error = LoadError(failure.reason, failure.message, time.time())
        services.metrics.load_failed(failure.reason)
        services.audit.write(
            config_line(
                revision=current.revision if current else None,
                sequence=current.sequence if current else None,
                outcome="refused",
                reason=failure.reason,
            )
        )
        waits = current is None and failure.reason in _PASSING
        log.log(
            logging.WARNING if waits else logging.ERROR,
            "no configuration yet: %s" if current is None else "the configuration before serves on: %s",
            failure.message,
            extra={"event": "config.waiting" if waits else "config.refused", "reason": failure.reason},
        )
