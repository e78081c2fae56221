"""Which pods live. Times are by the database's clock: those of pods may differ by more than the limit."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Double, delete, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_proxy.store.database import Database
from gateway_proxy.store.tables import pods

LIVE_SECONDS: Final = 15.0
"""A pod that was silent longer counts as gone."""
FORGET_SECONDS: Final = 3600.0


class Pods:
    """Every call raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now: ColumnElement[float] = literal_column(database.kind.clock, Double)

    async def beat(self, pod_id: str) -> int:
        """Says that this pod lives, and gives how many do, this one included."""
        beat = self._database.kind.insert(pods).values(id=pod_id, beat_at=self._now)
        beat = beat.on_conflict_do_update(index_elements=["id"], set_={"beat_at": beat.excluded.beat_at})
        living = select(func.count()).select_from(pods).where(pods.c.beat_at > self._now - literal(LIVE_SECONDS))

        async def work(connection: AsyncConnection) -> Any:
            await connection.execute(beat)
            return (await connection.execute(living)).scalar_one()

        return int(await self._database.together("pods.beat", work))

    async def leave(self, pod_id: str) -> None:
        """This pod counts no longer."""
        await self._database.changed("pods.leave", delete(pods).where(pods.c.id == pod_id))

    async def forget(self) -> None:
        """Removes the rows of pods that went without leaving."""
        old = delete(pods).where(pods.c.beat_at < self._now - literal(FORGET_SECONDS))
        await self._database.changed("pods.forget", old)
