"""Watching one kind of object: a complete list, then every change, for as long as the process runs.

The API server drops watches at will, forgets old changes and restarts; none of that reaches the consumer. What happened
in between is worked out from the next complete list. A list that failed says nothing about any object.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing
from enum import StrEnum
from typing import Final, NamedTuple

from gateway_operator.kube.client import KubeClient, Object, Objects, shaped
from gateway_operator.kube.errors import GoneError, KubeError, UnavailableError, refusal
from gateway_operator.kube.resources import ResourceKind

_logger = logging.getLogger(__name__)

SERVER_SECONDS: Final = 300
"""How long one watch request lasts, with up to a fifth more so that watches do not end together."""
_FIRST_DELAY: Final = 0.2
_LONGEST_DELAY: Final = 5.0
_STEADY_SECONDS: Final = 5.0
"""A watch that lasted as long ends a row of failures."""
_FAILURES_BEFORE_RELIST: Final = 5
_BREATH: Final = 200
"""Objects of a list that are told without giving the event loop a turn."""


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Restart(StrEnum):
    """Why a watch was begun anew; a word for a metric's label."""

    ENDED = "ended"
    """By the server, in order."""
    LOST = "lost"
    """Cut, silent, or refused with 429 or 5xx."""
    EXPIRED = "expired"
    """410: listed anew."""
    REFUSED = "refused"
    """Any other answer, such as 403 before the RBAC is there; listed anew."""


class _Known(NamedTuple):
    namespace: str
    name: str
    resource_version: str
    label: str


class Watch:
    """Tells of every object of a kind, in one namespace or all, that matches the selectors.

    - `on_event` gets ADDED and MODIFIED with the object as it is, in the order of the server, and DELETED once for each
      uid that was told before. A deletion that happened while there was no watch carries only apiVersion, kind, name,
      namespace, uid, and the label `keep_label`; another one the last state.
    - `on_listed`, if given, gets every complete list, after the DELETED of what is no longer in it; otherwise what is
      new or changed in a list comes as ADDED and MODIFIED.

    Both are called in the event loop and must return quickly. What `on_event` raises is logged; when `on_listed`
    raises, the list counts as failed and is made again. Only uid, name, resourceVersion and that label are kept.

    `synced` is set once the first list has been told. `run` returns never; it ends by being cancelled.
    """

    def __init__(
        self,
        client: KubeClient,
        kind: ResourceKind,
        *,
        on_event: Callable[[EventType, Object], None],
        on_listed: Callable[[Objects], None] | None = None,
        on_restart: Callable[[ResourceKind, Restart], None] | None = None,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
        keep_label: str = "",
        server_seconds: int = SERVER_SECONDS,
        margin: float = 15.0,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        self._client = client
        self._on_event = on_event
        self._on_listed = on_listed
        self._on_restart = on_restart
        self._labels = labels
        self._fields = fields
        self._metadata_only = metadata_only
        self._keep_label = keep_label
        self._server_seconds = server_seconds
        self._margin = margin
        self._known: dict[str, _Known] = {}
        self._version = ""
        """Where the watch goes on; empty: list first."""
        self._failures = 0
        self._complaint = ""

    def __len__(self) -> int:
        """How many objects there are, as far as is known."""
        return len(self._known)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            retry_after = 0.0
            try:
                if not self._version:
                    await self._list()
                    started = loop.time()
                await self._watch()
                restart = Restart.ENDED
            except GoneError as error:
                self._complain(error)
                restart, self._version = Restart.EXPIRED, ""
            except UnavailableError as error:
                self._complain(error)
                restart, retry_after = Restart.LOST, error.retry_after or 0.0
            except KubeError as error:
                self._complain(error)
                restart, self._version = Restart.REFUSED, ""
            if self._on_restart:
                self._on_restart(self.kind, restart)
            if loop.time() - started >= _STEADY_SECONDS:
                self._failures = 0
                if restart is Restart.ENDED:
                    continue
            self._failures += 1
            if self._failures % _FAILURES_BEFORE_RELIST == 0:
                self._version = ""  # such as one from before the server's storage was restored from a backup
            longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(self._failures, 10))
            await asyncio.sleep(max(retry_after, random.uniform(0, longest)))

    async def _list(self) -> None:
        listing = await self._client.listing(
            self.kind, self.namespace, labels=self._labels, fields=self._fields, metadata_only=self._metadata_only
        )
        before = self._known
        now = dict(self._reduced(item) for item in listing.items)
        # Gone ones first: a name may have been taken by another object since
        for uid in [uid for uid in before if uid not in now]:
            self._tell(EventType.DELETED, self._remembered(uid, before.pop(uid)))
        if self._on_listed:
            try:
                self._on_listed(listing.items)
            except Exception as error:
                _logger.exception("a list of %s could not be taken up", self._name)
                raise UnavailableError(f"{self._name}: the list could not be taken up") from error
            self._known = now
        else:
            for told, item in enumerate(listing.items):
                self._changed(item)
                if told % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)
        self._version = listing.resource_version
        self._complaint = ""
        self.synced.set()

    async def _watch(self) -> None:
        seconds = self._server_seconds + int(random.uniform(0, self._server_seconds / 5))
        events = self._client.watch(
            self.kind,
            self.namespace,
            resource_version=self._version,
            labels=self._labels,
            fields=self._fields,
            metadata_only=self._metadata_only,
            server_seconds=seconds,
            margin=self._margin,
        )
        async with aclosing(events):
            async for event in events:
                self._take(str(event.get("type")), event["object"])
                self._failures = 0

    def _take(self, event_type: str, item: Object) -> None:
        if event_type == "ERROR":
            code = item.get("code")
            raise refusal(f"watch of {self._name}", code if isinstance(code, int) else 500, item)
        metadata = item.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(metadata, dict) or not version:
            raise self._bad("an event without a resource version")
        if event_type in {"ADDED", "MODIFIED"}:
            self._changed(shaped(item, self.kind, metadata_only=self._metadata_only))
        elif event_type == "DELETED":
            if self._known.pop(metadata.get("uid", ""), None):
                self._tell(EventType.DELETED, shaped(item, self.kind, metadata_only=self._metadata_only))
        elif event_type != "BOOKMARK":
            raise self._bad(f"an event of type {event_type}")
        self._version = version
        self._complaint = ""

    def _changed(self, item: Object) -> None:
        uid, now = self._reduced(item)
        before = self._known.get(uid)
        self._known[uid] = now
        if before is None:
            self._tell(EventType.ADDED, item)
        elif before.resource_version != now.resource_version:
            self._tell(EventType.MODIFIED, item)

    def _tell(self, event_type: EventType, item: Object) -> None:
        try:
            self._on_event(event_type, item)
        except Exception:
            metadata = item["metadata"]
            _logger.exception(
                "%s of %s %s/%s could not be taken up",
                event_type.value,
                self.kind.kind,
                metadata.get("namespace", ""),
                metadata["name"],
            )

    def _reduced(self, item: Object) -> tuple[str, _Known]:
        metadata = item["metadata"]
        if not all(metadata.get(key) for key in ("uid", "name", "resourceVersion")):
            raise self._bad("an object without uid, name or resource version")
        label = (metadata.get("labels") or {}).get(self._keep_label, "") if self._keep_label else ""
        known = _Known(metadata.get("namespace", ""), metadata["name"], metadata["resourceVersion"], label)
        return metadata["uid"], known

    def _remembered(self, uid: str, known: _Known) -> Object:
        metadata: Object = {"name": known.name, "uid": uid}
        if known.namespace:
            metadata["namespace"] = known.namespace
        if known.label:
            metadata["labels"] = {self._keep_label: known.label}
        return {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "metadata": metadata}

    @property
    def _name(self) -> str:
        return f"{self.kind.plural} in {self.namespace}" if self.namespace else self.kind.plural

    def _bad(self, what: str) -> UnavailableError:
        return UnavailableError(f"watch of {self._name}: {what}", reason="BadAnswer")

    def _complain(self, error: KubeError) -> None:
        """Each complaint once: a server that is away would fill the log."""
        expected = isinstance(error, GoneError)
        level = logging.DEBUG if expected or str(error) == self._complaint else logging.WARNING
        self._complaint = str(error)
        _logger.log(level, "watch of %s: %s", self._name, error)
