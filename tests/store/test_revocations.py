"""Every pod learns of every revocation, in whichever order they commit."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.store.rows import ALICE, BOB, NOW, digest, session, sign_in

from gateway_proxy.identity.person import Person
from gateway_proxy.store import Cursor, RevokedSession, StoreUnavailableError, revocations
from gateway_proxy.store.store import Store


async def made(store: Store, *names: str) -> None:
    for name in names:
        await store.sessions.create(session(name))


def ids(revoked: Sequence[RevokedSession]) -> list[str]:
    return [one.id for one in revoked]


async def test_another_pod_learns_of_a_revocation_once(store: Store, other_pod: Store) -> None:
    await made(store, "one", "two")
    cursor, revoked = await other_pod.sessions.revoked_since(None)
    assert revoked == []
    assert await store.sessions.revoke("one", NOW, "SignedOut")
    cursor, revoked = await other_pod.sessions.revoked_since(cursor)
    assert revoked == [RevokedSession("one", NOW)]
    cursor, revoked = await other_pod.sessions.revoked_since(cursor)
    assert revoked == []
    assert await store.sessions.revoke("two", NOW - 500, "SignedOut")  # this pod's clock is slow
    assert ids((await other_pod.sessions.revoked_since(cursor))[1]) == ["two"]


async def test_a_session_is_revoked_once(store: Store) -> None:
    await made(store, "one")
    assert await store.sessions.revoke("one", NOW, "SignedOut")
    assert not await store.sessions.revoke("one", NOW + 1, "AdminRevoked")
    assert not await store.sessions.revoke("nobody", NOW, "SignedOut")
    (record,) = await store.sessions.page()
    assert (record.revoked_at, record.revoked_reason) == (NOW, "SignedOut")


async def test_all_sessions_of_a_user_by_id_or_address(store: Store) -> None:
    await made(store, "one", "two")
    await store.sessions.create(session("bob", person=BOB))
    assert await store.sessions.revoke_user("ALICE@corp.example", NOW) == 2
    assert await store.sessions.revoke_user("alice@corp.example", NOW) == 0
    assert await store.sessions.revoke_user("okta:bob", NOW) == 1
    assert await store.sessions.revoke_user("nobody", NOW) == 0


async def test_a_user_is_found_as_policies_find_one(store: Store) -> None:
    """Small letters, and never another user who only looks alike."""
    for name, user in (("one", "STRASSE"), ("two", "straße"), ("three", "\u212aim"), ("four", "ÉLODIE")):
        await store.sessions.create(session(name, person=replace(BOB, user=user)))
    assert await store.sessions.revoke_user("straße", NOW) == 1
    assert await store.sessions.revoke_user("strasse", NOW) == 1
    assert await store.sessions.revoke_user("kim", NOW) == 0
    assert await store.sessions.revoke_user("élodie", NOW) == 1


async def approved(store: Store, name: str, person: Person) -> None:
    await store.sign_ins.create(sign_in(name))
    assert await store.sign_ins.begin(name, b"hash", NOW)
    assert await store.sign_ins.approve(name, b"hash", person, b"sealed", NOW)


async def states(store: Store, *names: str) -> list[str]:
    return [(await store.sign_ins.poll(digest(name), NOW + 1, 5)).state for name in names]


async def test_who_is_revoked_does_not_fetch_a_sign_in_that_was_approved_before(store: Store, other_pod: Store) -> None:
    await approved(store, "alice", ALICE)
    await approved(store, "bob", BOB)
    await store.sign_ins.create(sign_in("waits"))
    assert await store.sessions.revoke_user("nobody", NOW) == 0
    assert await states(other_pod, "alice", "bob", "waits") == ["Approved", "Approved", "Pending"]
    assert await other_pod.sessions.revoke_user("Alice@Corp.Example", NOW) == 0
    assert await states(store, "alice", "bob") == ["Denied", "Approved"]
    assert not await store.sign_ins.redeem(digest("alice"), session("alice"), b"answer", NOW, 30)
    assert await store.sessions.revoke_all(NOW) == 0
    assert await states(other_pod, "alice", "bob", "waits") == ["Denied", "Denied", "SlowDown"]
    assert await store.sign_ins.approved(digest("bob"), NOW) is None


async def test_no_sign_in_slips_through_that_is_fetched_while_all_are_revoked(store: Store, other_pod: Store) -> None:
    names = [f"s{number:02d}" for number in range(12)]
    for name in names:
        await approved(store, name, ALICE)
    fetched = [
        (store, other_pod)[number % 2].sign_ins.redeem(digest(name), session(name), b"answer", NOW, 30)
        for number, name in enumerate(names)
    ]
    await asyncio.gather(*fetched[:6], store.sessions.revoke_all(NOW), *fetched[6:])
    assert await store.sessions.page(active_at=NOW + 1) == []
    assert set(await states(store, *names)) <= {"Redeemed", "Denied"}


async def test_all_sessions_at_once_are_told_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "PAGE", 3)
    names = [f"s{number}" for number in range(8)]
    await made(store, *names)
    assert await store.sessions.revoke_all(NOW) == 8
    seen: list[str] = []
    cursor: Cursor | None = None
    while True:
        cursor, revoked = await store.sessions.revoked_since(cursor)
        if not revoked:
            break
        seen += ids(revoked)
    assert seen == names


async def test_many_sessions_are_revoked_in_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "BATCH", 3)
    names = [f"s{number}" for number in range(9)]
    await made(store, *names)
    await store.sessions.create(session("bob", person=BOB))
    assert await store.sessions.revoke_user("alice@corp.example", NOW) == 9
    assert sorted(ids((await store.sessions.revoked_since(None))[1])) == names
    assert await store.sessions.revoke_all(NOW) == 1


async def test_a_pod_that_starts_asks_only_for_what_a_token_may_outlive(store: Store) -> None:
    await made(store, "old", "new")
    await store.sessions.revoke("old", NOW - 7200, "SignedOut")
    await store.sessions.revoke("new", NOW, "SignedOut")
    assert ids((await store.sessions.revoked_since(None, revoked_after=NOW - 3600))[1]) == ["new"]


async def test_nothing_is_missed_while_many_revoke_at_once(store: Store, other_pod: Store) -> None:
    names = [f"s{number:02d}" for number in range(40)]
    await made(store, *names)
    seen: list[str] = []
    done = asyncio.Event()

    async def poll() -> None:
        cursor: Cursor | None = None
        while True:
            last = done.is_set()
            cursor, revoked = await other_pod.sessions.revoked_since(cursor)
            seen.extend(ids(revoked))
            if last:
                return

    polling = asyncio.create_task(poll())
    pods = (store, other_pod)
    await asyncio.gather(*(pods[n % 2].sessions.revoke(name, NOW, "SignedOut") for n, name in enumerate(names)))
    done.set()
    await polling
    assert sorted(seen) == names


async def test_a_revocation_that_commits_late_is_not_passed_over(
    store: Store, other_pod: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that begins second may not commit first: a poll between the two would never see the other."""
    await made(store, "slow", "quick")
    entered, leave = asyncio.Event(), asyncio.Event()
    execute = AsyncConnection.execute
    held: list[AsyncConnection] = []

    async def slow(connection: AsyncConnection, statement: object, *arguments: object) -> object:
        result = await execute(connection, statement, *arguments)  # type: ignore[call-overload]
        if "claude_gateway_revocations" in str(statement) and "UPDATE" in str(statement) and not held:
            held.append(connection)
            entered.set()
            await leave.wait()
        return result

    monkeypatch.setattr(AsyncConnection, "execute", slow)
    first = asyncio.create_task(store.sessions.revoke("slow", NOW, "SignedOut"))
    await entered.wait()
    second = asyncio.create_task(other_pod.sessions.revoke("quick", NOW, "SignedOut"))
    cursor, revoked = await other_pod.sessions.revoked_since(None)
    assert revoked == []
    assert not second.done()
    leave.set()
    assert await first
    assert await second
    assert ids((await other_pod.sessions.revoked_since(cursor))[1]) == ["slow", "quick"]


async def test_a_restored_backup_is_read_from_its_beginning(store: Store) -> None:
    await made(store, "one")
    await store.sessions.revoke("one", NOW, "SignedOut")
    cursor, revoked = await store.sessions.revoked_since(Cursor(number=900, id="zzz"))
    assert ids(revoked) == ["one"]
    assert cursor == Cursor(1, "one")


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_a_pod_that_is_stopped_in_a_revocation_does_not_hold_up_the_others(
    store: Store, other_pod: Store
) -> None:
    """Postgres ends the transaction of who falls silent in it. With SQLite there is one pod alone."""
    await made(store, "one")

    async def falls_silent(connection: AsyncConnection) -> None:
        guard = store.sessions._database.kind.silence_guard
        assert guard is not None
        await connection.exec_driver_sql(guard)
        await connection.exec_driver_sql("UPDATE claude_gateway_revocations SET number = number + 1")
        assert await other_pod.sessions.revoke("one", NOW, "SignedOut")

    with pytest.raises(StoreUnavailableError):
        await store.sessions._database.together("test", falls_silent)
    assert ids((await other_pod.sessions.revoked_since(None))[1]) == ["one"]
