"""Pending device sign-ins. Any pod may serve any step of one, so each step is one statement that happens once."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, case, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_proxy.identity.person import Person
from gateway_proxy.store.database import Database
from gateway_proxy.store.encoding import dumped_person, loaded_person, plain
from gateway_proxy.store.errors import UserCodeTakenError
from gateway_proxy.store.records import Approved, Poll, SessionRecord, SignIn
from gateway_proxy.store.sessions import new_session
from gateway_proxy.store.tables import sign_ins

SLOW_DOWN_SECONDS: Final = 5.0
"""Added to the interval by each poll that comes too early (RFC 8628, section 3.5)."""
EARLY_SECONDS: Final = 1.0
"""How much too early a poll may come: the network, and the clocks of two pods, are not exact."""

_SIGN_IN: Final = [sign_ins.c[name] for name in ("id", "device_code_sha256", "user_code", "surface", "address")]


class SignIns:
    """`now` is always the caller's clock, Unix seconds. Every call raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, sign_in: SignIn) -> None:
        """Raises UserCodeTakenError; a code is free again ten minutes after its sign-in's end."""
        statement = (
            self._database.kind.insert(sign_ins)
            .values(
                id=sign_in.id,
                device_code_sha256=sign_in.device_code_sha256,
                user_code=plain(sign_in.user_code),
                surface=plain(sign_in.surface),
                address=plain(sign_in.address),
                expires_at=sign_in.expires_at,
                state="Pending",
            )
            .on_conflict_do_nothing(index_elements=["user_code"])
        )
        if not await self._database.changed("sign_ins.create", statement):
            raise UserCodeTakenError

    async def pending(self, user_code: str, now: float) -> SignIn | None:
        """The sign-in that still waits under this code."""
        statement = select(*_SIGN_IN, sign_ins.c.expires_at).where(
            sign_ins.c.user_code == plain(user_code), sign_ins.c.state == "Pending", sign_ins.c.expires_at > now
        )
        rows = await self._database.rows("sign_ins.pending", statement)
        return _sign_in(rows[0]) if rows else None

    async def begin(self, id: str, callback_hash: bytes, now: float) -> bool:  # noqa: A002  the record's own word
        """A browser goes to the identity provider: the callback with this hash may approve, one begun before no more.

        False where the sign-in waits no longer.
        """
        statement = update(sign_ins).where(_waits(id, now)).values(callback_hash=callback_hash)
        return await self._database.changed("sign_ins.begin", statement) == 1

    async def awaits(self, id: str, callback_hash: bytes, now: float) -> bool:  # noqa: A002
        """Whether this callback may still approve."""
        statement = select(sign_ins.c.id).where(_waits(id, now), sign_ins.c.callback_hash == callback_hash)
        return bool(await self._database.rows("sign_ins.awaits", statement))

    async def approve(
        self,
        id: str,  # noqa: A002
        callback_hash: bytes,
        person: Person,
        provider_refresh_token_sealed: bytes | None,
        now: float,
    ) -> bool:
        """Once: False for a callback that is replayed or was replaced, and where the sign-in waits no longer."""
        statement = (
            update(sign_ins)
            .where(_waits(id, now), sign_ins.c.callback_hash == callback_hash)
            .values(
                state="Approved",
                callback_hash=None,
                person=dumped_person(person),
                provider_refresh_token_sealed=provider_refresh_token_sealed,
            )
        )
        return await self._database.changed("sign_ins.approve", statement) == 1

    async def deny(self, id: str, now: float) -> bool:  # noqa: A002
        """False where the sign-in waits no longer."""
        statement = update(sign_ins).where(_waits(id, now)).values(state="Denied", callback_hash=None)
        return await self._database.changed("sign_ins.deny", statement) == 1

    async def poll(self, device_code_sha256: bytes, now: float, interval: float) -> Poll:
        """How far the sign-in is. Remembers when it was asked; asked too early, the interval grows by five seconds."""
        asked = func.coalesce(sign_ins.c.poll_interval, literal(interval))
        early = and_(
            sign_ins.c.state == "Pending",
            sign_ins.c.last_polled_at.is_not(None),
            literal(now) < sign_ins.c.last_polled_at + asked - EARLY_SECONDS,
        )
        statement = (
            update(sign_ins)
            .where(sign_ins.c.device_code_sha256 == device_code_sha256)
            .values(
                last_polled_at=now,
                poll_interval=case((early, asked + SLOW_DOWN_SECONDS), else_=asked),
                polled_early=case((early, 1), else_=0),
            )
            .returning(sign_ins.c.state, sign_ins.c.expires_at, sign_ins.c.poll_interval, sign_ins.c.polled_early)
        )
        rows = await self._database.rows("sign_ins.poll", statement)
        if not rows:
            return Poll("Unknown", interval)
        (row,) = rows
        if row.state == "Denied":
            return Poll("Denied", row.poll_interval)
        if row.expires_at <= now:
            return Poll("Unknown" if row.state == "Redeemed" else "Expired", row.poll_interval)
        if row.state in ("Approved", "Redeemed"):
            return Poll(row.state, row.poll_interval)
        return Poll("SlowDown" if row.polled_early else "Pending", row.poll_interval)

    async def approved(self, device_code_sha256: bytes, now: float) -> Approved | None:
        """What an approved sign-in led to, until it is redeemed."""
        statement = select(sign_ins.c.person, sign_ins.c.provider_refresh_token_sealed).where(
            _may_be_redeemed(device_code_sha256, now)
        )
        rows = await self._database.rows("sign_ins.approved", statement)
        return Approved(loaded_person(rows[0].person), rows[0].provider_refresh_token_sealed) if rows else None

    async def redeem(
        self,
        device_code_sha256: bytes,
        session: SessionRecord,
        answer_sealed: bytes,
        now: float,
        grace_seconds: float,
    ) -> bool:
        """Ends an approved sign-in and begins its session, both or neither: True once over all pods.

        Until the grace ends, `redeemed` gives `answer_sealed`, to answer a repetition alike.
        """
        ended = (
            update(sign_ins)
            .where(_may_be_redeemed(device_code_sha256, now))
            .values(state="Redeemed", provider_refresh_token_sealed=answer_sealed, expires_at=now + grace_seconds)
        )

        async def work(connection: AsyncConnection) -> bool:
            if (guard := self._database.kind.silence_guard) is not None:
                # Who revokes all sessions waits for this row.
                await connection.execute(text(guard))
            if (await connection.execute(ended)).rowcount != 1:
                return False
            await connection.execute(new_session(session))
            return True

        return await self._database.together("sign_ins.redeem", work)

    async def redeemed(self, device_code_sha256: bytes, now: float) -> bytes | None:
        """What `redeem` was given for the client, until its grace ends."""
        statement = select(sign_ins.c.provider_refresh_token_sealed).where(
            sign_ins.c.device_code_sha256 == device_code_sha256,
            sign_ins.c.state == "Redeemed",
            sign_ins.c.expires_at > now,
        )
        rows = await self._database.rows("sign_ins.redeemed", statement)
        return rows[0].provider_refresh_token_sealed if rows else None


def _waits(id: str, now: float) -> Any:  # noqa: A002
    return and_(sign_ins.c.id == plain(id), sign_ins.c.state == "Pending", sign_ins.c.expires_at > now)


def _may_be_redeemed(device_code_sha256: bytes, now: float) -> ColumnElement[bool]:
    return and_(
        sign_ins.c.device_code_sha256 == device_code_sha256,
        sign_ins.c.state == "Approved",
        sign_ins.c.expires_at > now,
    )


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        id=row.id,
        device_code_sha256=row.device_code_sha256,
        user_code=row.user_code,
        surface=row.surface,
        address=row.address,
        expires_at=row.expires_at,
    )
