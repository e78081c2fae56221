"""Live lists for many at once: whoever asks for the same list while one is under way gets the next one, together.

No answer is older than the question. A thousand gateways of one namespace that are touched within a second cost a
handful of lists in place of a thousand.
"""

import asyncio

from gateway_operator.kube.client import Object, Objects, Reader
from gateway_operator.kube.resources import ResourceKind


class JointReader:
    """What it returns is shared: it must not be changed. Only whole lists are joint; the rest goes to the client."""

    def __init__(self, client: Reader) -> None:
        self._client = client
        self._next: dict[tuple[ResourceKind, str | None], asyncio.Future[Objects]] = {}
        self._under_way: dict[tuple[ResourceKind, str | None], asyncio.Task[None]] = {}

    async def get(self, kind: ResourceKind, namespace: str | None, name: str) -> Object | None:
        return await self._client.get(kind, namespace, name)

    async def list(
        self,
        kind: ResourceKind,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> Objects:
        if labels or fields or metadata_only:
            return await self._client.list(kind, namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        key = (kind, namespace)
        joined = self._next.get(key)
        if joined is None:
            joined = self._next[key] = asyncio.get_running_loop().create_future()
        if key not in self._under_way:
            self._begin(key)
        return await asyncio.shield(joined)  # one who gives up does not end it for the others

    def _begin(self, key: tuple[ResourceKind, str | None]) -> None:
        joined = self._next.pop(key)
        task = asyncio.create_task(self._list(key, joined), name=f"list of {key[0].plural}")
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    async def _list(self, key: tuple[ResourceKind, str | None], joined: asyncio.Future[Objects]) -> None:
        try:
            joined.set_result(await self._client.list(*key))
        except asyncio.CancelledError:
            joined.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # told to all who wait: whatever it is, none may wait for ever
            joined.set_exception(error)
            joined.exception()  # also when nobody waits any more

    def _ended(self, key: tuple[ResourceKind, str | None]) -> None:
        del self._under_way[key]
        if key in self._next:
            self._begin(key)
