"""Ending sessions, and telling every pod which ones ended.

All revocations are numbered by one row that each of them locks, so they commit in the order of their numbers: who has
read up to a number misses nothing that commits later, whatever the pods' clocks say.

A sign-in that was approved and not yet fetched ends with the sessions of its person: it would become one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, or_, select, text, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_proxy.store.database import Database
from gateway_proxy.store.encoding import loaded_person, lookup_key, plain
from gateway_proxy.store.records import Cursor, RevokedSession
from gateway_proxy.store.tables import revocations, sessions, sign_ins

PAGE: Final = 5_000
"""Revoked sessions told at once; a poller asks again at once while it gets as many."""
BATCH: Final = 5_000
"""Sessions revoked in one transaction: well within the seconds of a call, on a busy database too."""

_NUMBERED: Final = revocations.c.name == "sessions"
_APPROVED: Final = sign_ins.c.state == "Approved"
_DENIED: Final = update(sign_ins).where(_APPROVED).values(state="Denied")


def of_user(user_or_email: str) -> ColumnElement[bool]:
    key = lookup_key(user_or_email)
    return or_(sessions.c.user_key == key, sessions.c.email_key == key)


class Revocations:
    """Every call raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(self, id: str, now: float, reason: str) -> bool:  # noqa: A002  the record's own word
        """False where there is no such session, or it was revoked before."""
        return await self._revoke("sessions.revoke", sessions.c.id == plain(id), now, reason) == 1

    async def revoke_user(self, user_or_email: str, now: float, reason: str = "AdminRevoked") -> int:
        """All sessions of a user id or an address, in any case; how many were not revoked before."""
        key = lookup_key(user_or_email)

        async def denied(connection: AsyncConnection) -> None:
            approved = await connection.execute(select(sign_ins.c.id, sign_ins.c.person).where(_APPROVED))
            of_them = [row.id for row in approved if key in _keys(row.person)]
            if of_them:
                await connection.execute(_DENIED.where(sign_ins.c.id.in_(of_them)))

        return await self._revoke("sessions.revoke_user", of_user(user_or_email), now, reason, denied)

    async def revoke_all(self, now: float, reason: str = "AdminRevoked") -> int:
        async def denied(connection: AsyncConnection) -> None:
            await connection.execute(_DENIED)

        return await self._revoke("sessions.revoke_all", true(), now, reason, denied)

    async def revoked_since(
        self, cursor: Cursor | None, *, revoked_after: float = 0.0
    ) -> tuple[Cursor, list[RevokedSession]]:
        """What was revoked after the cursor, and the cursor to ask with next; at most PAGE sessions.

        None: from the beginning, where `revoked_after` (Unix seconds) leaves out what no token lives long enough for.
        A cursor from before a restored backup begins anew.
        """
        at = cursor if cursor is not None else Cursor()
        newest, found = await self._after(at, revoked_after)
        if newest < at.number:
            at = Cursor()
            _, found = await self._after(at, revoked_after)
        if found:
            at = Cursor(found[-1].revocation, found[-1].id)
        return at, [RevokedSession(row.id, row.revoked_at) for row in found]

    async def _after(self, at: Cursor, revoked_after: float) -> tuple[int, Sequence[Row[Any]]]:
        """The newest number, and the sessions after a place: of one moment."""
        later = and_(
            tuple_(sessions.c.revocation, sessions.c.id) > tuple_(at.number, at.id),
            sessions.c.revoked_at > revoked_after,
        )
        statement = (
            select(revocations.c.number, sessions.c.id, sessions.c.revoked_at, sessions.c.revocation)
            .select_from(revocations.outerjoin(sessions, later))
            .where(_NUMBERED)
            .order_by(sessions.c.revocation, sessions.c.id)
            .limit(PAGE)
        )
        rows = await self._database.rows("sessions.revoked_since", statement)
        return rows[0].number, [row for row in rows if row.id is not None]

    async def _revoke(
        self,
        operation: str,
        which: ColumnElement[bool],
        now: float,
        reason: str,
        denied: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> int:
        """In batches: each within a call's time, and told to the pods while the next one is written. One that fails
        leaves those before it revoked; the same call again goes on. `denied` denies the sign-ins concerned."""
        numbered = update(revocations).where(_NUMBERED).values(number=revocations.c.number + 1)
        live = select(sessions.c.id).where(sessions.c.revoked_at.is_(None), which).limit(BATCH)

        async def work(connection: AsyncConnection) -> int:
            if (guard := self._database.kind.silence_guard) is not None:
                # A pod that is stopped in the middle must not hold up the others.
                await connection.execute(text(guard))
            number = (await connection.execute(numbered.returning(revocations.c.number))).scalar_one()
            if denied is not None:
                # Before the sessions: a sign-in that is fetched meanwhile is a session when they are looked at.
                await denied(connection)
            revoked = update(sessions).where(sessions.c.id.in_(live))
            values = {"revoked_at": now, "revoked_reason": reason, "revocation": number}
            return (await connection.execute(revoked.values(values))).rowcount

        total = 0
        while True:
            batch = await self._database.together(operation, work)
            total += batch
            if batch < BATCH:
                return total


def _keys(person: str) -> set[str]:
    """What an approved sign-in's person is looked for by."""
    who = loaded_person(person)
    return {lookup_key(who.user)} | ({lookup_key(who.email)} if who.email is not None else set())
