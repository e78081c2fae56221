"""What a watch told, for tests to look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from gateway_operator.kube.client import KubeClient
from gateway_operator.kube.resources import ResourceKind
from gateway_operator.kube.watching import EventType, Restart, Watch


class Recording:
    """Every call of a watch, in its order."""

    def __init__(self) -> None:
        self.events: list[tuple[EventType, dict[str, Any]]] = []
        self.lists: list[list[dict[str, Any]]] = []
        self.restarts: list[Restart] = []

    def on_event(self, event_type: EventType, item: dict[str, Any]) -> None:
        self.events.append((event_type, item))

    def on_listed(self, items: list[dict[str, Any]]) -> None:
        self.lists.append(items)

    def on_restart(self, _: ResourceKind, restart: Restart) -> None:
        self.restarts.append(restart)

    @property
    def told(self) -> list[str]:
        """`ADDED a`, `DELETED b`."""
        return [f"{event_type} {item['metadata']['name']}" for event_type, item in self.events]

    @property
    def listed(self) -> list[list[str]]:
        return [[item["metadata"]["name"] for item in items] for items in self.lists]


@asynccontextmanager
async def watching(
    client: KubeClient, kind: ResourceKind, *, lists: bool = False, synced: bool = True, **settings: Any
) -> AsyncIterator[tuple[Watch, Recording]]:
    """A running watch, past its first list unless `synced` is False. An error of its own fails the test."""
    seen = Recording()
    watch = Watch(
        client,
        kind,
        on_event=settings.pop("on_event", seen.on_event),
        on_listed=seen.on_listed if lists else None,
        on_restart=seen.on_restart,
        **settings,
    )
    task = asyncio.create_task(watch.run())
    try:
        if synced:
            async with asyncio.timeout(20):
                await watch.synced.wait()
        yield watch, seen
        assert not task.done(), "a watch never ends by itself"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
