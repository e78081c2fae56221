"""Sessions: one row for each sign-in, whichever tokens came of it."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, Row, and_, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_proxy.identity.person import Person
from gateway_proxy.store.encoding import dumped_groups, loaded_groups, lookup_key, plain
from gateway_proxy.store.records import Found, SessionRecord
from gateway_proxy.store.revocations import Revocations, of_user
from gateway_proxy.store.tables import sessions, spent_refresh_tokens

_RECORD: Final = [
    sessions.c[name]
    for name in (
        *("id", "provider", "subject", "user_id", "email", "groups", "refresh_sha256", "provider_refresh_token_sealed"),
        *("created_at", "last_used_at", "expires_at", "revoked_at", "revoked_reason"),
    )
]
_SUCCESSION: Final = [sessions.c[name] for name in ("previous_sha256", "previous_until", "sealed_successor")]


class Sessions(Revocations):
    """`now` is always the caller's clock, Unix seconds. Every call raises StoreUnavailableError."""

    async def create(self, record: SessionRecord) -> None:
        await self._database.changed("sessions.create", new_session(record))

    async def by_refresh(self, sha256: bytes, now: float) -> Found | None:
        """The session of a refresh token by its current, previous or a spent one; revoked and expired ones too."""
        one = select(*_RECORD, *_SUCCESSION).where(
            or_(sessions.c.refresh_sha256 == sha256, sessions.c.previous_sha256 == sha256)
        )
        rows = await self._database.rows("sessions.by_refresh", one)
        if rows:
            (row,) = rows
            if row.refresh_sha256 == sha256:
                return Found(_record(row), "Current", None, None)
            return Found(_record(row), "Previous", row.previous_until, row.sealed_successor)
        spent = (
            select(*_RECORD, spent_refresh_tokens.c.grace_until)
            .join(spent_refresh_tokens, spent_refresh_tokens.c.session_id == sessions.c.id)
            .where(spent_refresh_tokens.c.sha256 == sha256)
        )
        rows = await self._database.rows("sessions.by_refresh", spent)
        return Found(_record(rows[0]), "Spent", rows[0].grace_until, None) if rows else None

    async def claim(self, id: str, sha256: bytes, now: float, seconds: float) -> bool:  # noqa: A002  the record's word
        """Whether the caller alone, of all pods, may now replace this token: until it does, gives up by `release`, or
        the seconds are over. False also where `sha256` is no longer the current token or the session has ended."""
        statement = (
            update(sessions)
            .where(
                _is_current(id, sha256, now),
                or_(sessions.c.claimed_until.is_(None), sessions.c.claimed_until <= now),
            )
            .values(claimed_until=now + seconds)
        )
        return await self._database.changed("sessions.claim", statement) == 1

    async def release(self, id: str, sha256: bytes, provider_refresh_token_sealed: bytes, now: float) -> None:  # noqa: A002
        """Gives up a claim; the token stays as it is."""
        statement = (
            update(sessions)
            .where(_is_current(id, sha256, now))
            .values(claimed_until=None, provider_refresh_token_sealed=provider_refresh_token_sealed)
        )
        await self._database.changed("sessions.release", statement)

    async def rotate(
        self,
        id: str,  # noqa: A002  the record's own word
        from_sha256: bytes,
        to_sha256: bytes,
        sealed_successor: bytes,
        person: Person,
        provider_refresh_token_sealed: bytes | None,
        now: float,
        expires_at: float,
        grace_seconds: float,
    ) -> bool:
        """Replaces the refresh token, if it is still `from_sha256` and the session lives; False changes nothing.

        Until the grace ends, `by_refresh` finds the old token with `sealed_successor`, to answer a repetition alike.
        """
        replaced = (
            update(sessions)
            .where(_is_current(id, from_sha256, now))
            .values(
                claimed_until=None,
                refresh_sha256=to_sha256,
                previous_sha256=from_sha256,
                previous_until=now + grace_seconds,
                sealed_successor=sealed_successor,
                provider_refresh_token_sealed=provider_refresh_token_sealed,
                last_used_at=now,
                expires_at=expires_at,
                **_person_columns(person),
            )
        )
        spent = insert(spent_refresh_tokens).values(
            sha256=from_sha256, session_id=plain(id), spent_at=now, grace_until=now + grace_seconds
        )

        async def work(connection: AsyncConnection) -> bool:
            if (await connection.execute(replaced)).rowcount != 1:
                return False
            await connection.execute(spent)
            return True

        return await self._database.together("sessions.rotate", work)

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 100,
        user: str | None = None,
        active_at: float | None = None,
    ) -> list[SessionRecord]:
        """The newest first. `after`: the id of the last page's last one. `user`: a user id or an address, in any case.
        `active_at`: only those that are neither revoked nor expired then."""
        statement = select(*_RECORD).order_by(sessions.c.created_at.desc(), sessions.c.id.desc()).limit(limit)
        if after is not None:
            last = select(sessions.c.created_at).where(sessions.c.id == plain(after)).scalar_subquery()
            statement = statement.where(tuple_(sessions.c.created_at, sessions.c.id) < tuple_(last, plain(after)))
        if user is not None:
            statement = statement.where(of_user(user))
        if active_at is not None:
            statement = statement.where(sessions.c.revoked_at.is_(None), sessions.c.expires_at > active_at)
        return [_record(row) for row in await self._database.rows("sessions.page", statement)]


def new_session(record: SessionRecord) -> Insert:
    return insert(sessions).values(
        id=record.id,
        refresh_sha256=record.refresh_sha256,
        provider_refresh_token_sealed=record.provider_refresh_token_sealed,
        created_at=record.created_at,
        last_used_at=record.created_at if record.last_used_at is None else record.last_used_at,
        expires_at=record.expires_at,
        **_person_columns(record.person),
    )


def _is_current(id: str, sha256: bytes, now: float) -> ColumnElement[bool]:  # noqa: A002
    return and_(
        sessions.c.id == plain(id),
        sessions.c.refresh_sha256 == sha256,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > now,
    )


def _person_columns(person: Person) -> dict[str, str | None]:
    return {
        "provider": plain(person.provider),
        "subject": plain(person.subject),
        "user_id": plain(person.user),
        "email": None if person.email is None else plain(person.email),
        "groups": dumped_groups(person.groups),
        "user_key": lookup_key(person.user),
        "email_key": None if person.email is None else lookup_key(person.email),
    }


def _record(row: Row[Any]) -> SessionRecord:
    person = Person(
        provider=row.provider,
        subject=row.subject,
        user=row.user_id,
        email=row.email,
        groups=loaded_groups(row.groups),
    )
    return SessionRecord(
        id=row.id,
        person=person,
        refresh_sha256=row.refresh_sha256,
        provider_refresh_token_sealed=row.provider_refresh_token_sealed,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
    )
