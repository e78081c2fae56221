"""A session's refresh token is replaced once at a time, and every token it had is known for what it is."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.store.rows import ALICE, BOB, NOW, digest, session

from gateway_proxy.identity.person import Person
from gateway_proxy.store import Found, SessionRecord
from gateway_proxy.store.store import Store

FIRST = digest("one-refresh")
SECOND = digest("second")
THIRD = digest("third")


async def rotated(
    store: Store, before: bytes, after: bytes, *, now: float = NOW, person: Person = ALICE, successor: bytes = b"sealed"
) -> bool:
    return await store.sessions.rotate(
        "one", before, after, successor, person, b"provider", now=now, expires_at=now + 500, grace_seconds=30
    )


def kept(record: SessionRecord) -> SessionRecord:
    """As it is read back: used when it was made."""
    return replace(record, last_used_at=record.created_at)


async def test_a_session_is_found_by_its_refresh_token_on_every_pod(store: Store, other_pod: Store) -> None:
    await store.sessions.create(session())
    assert await other_pod.sessions.by_refresh(FIRST, NOW) == Found(kept(session()), "Current", None, None)
    assert await other_pod.sessions.by_refresh(SECOND, NOW) is None


async def test_a_rotation_replaces_token_person_and_times(store: Store, other_pod: Store) -> None:
    await store.sessions.create(session())
    promoted = replace(ALICE, groups=("admins",), email="alice@new.example")
    assert await rotated(store, FIRST, SECOND, now=NOW + 100, person=promoted)
    expected = session(
        person=promoted,
        refresh_sha256=SECOND,
        provider_refresh_token_sealed=b"provider",
        last_used_at=NOW + 100,
        expires_at=NOW + 600,
    )
    assert await other_pod.sessions.by_refresh(SECOND, NOW + 101) == Found(expected, "Current", None, None)
    assert await other_pod.sessions.by_refresh(FIRST, NOW + 101) == Found(expected, "Previous", NOW + 130, b"sealed")


async def test_a_token_before_the_previous_one_is_known_as_spent(store: Store) -> None:
    await store.sessions.create(session())
    await rotated(store, FIRST, SECOND)
    await rotated(store, SECOND, THIRD, now=NOW + 50)
    found = await store.sessions.by_refresh(FIRST, NOW + 60)
    assert found is not None
    assert (found.which, found.previous_until, found.sealed_successor) == ("Spent", NOW + 30, None)
    assert found.record.id == "one"


async def test_only_the_current_token_rotates(store: Store) -> None:
    await store.sessions.create(session())
    assert await rotated(store, FIRST, SECOND)
    assert not await rotated(store, FIRST, THIRD)
    found = await store.sessions.by_refresh(SECOND, NOW)
    assert found is not None
    assert found.which == "Current"


async def test_one_of_many_rotations_wins_and_the_others_see_its_successor(store: Store, other_pod: Store) -> None:
    await store.sessions.create(session())
    calls = [
        rotated(pod, FIRST, digest(f"next-{number}"), successor=f"sealed-{number}".encode())
        for number, pod in enumerate((store, other_pod) * 8)
    ]
    results = await asyncio.gather(*calls)
    assert sum(results) == 1
    found = await other_pod.sessions.by_refresh(FIRST, NOW)
    assert found is not None
    assert found.sealed_successor == f"sealed-{results.index(True)}".encode()
    assert found.record.refresh_sha256 == digest(f"next-{results.index(True)}")


async def test_neither_a_revoked_nor_an_expired_session_rotates(store: Store) -> None:
    await store.sessions.create(session())
    assert not await rotated(store, FIRST, SECOND, now=NOW + 86400)
    assert await store.sessions.revoke("one", NOW, "SignedOut")
    assert not await rotated(store, FIRST, SECOND)
    found = await store.sessions.by_refresh(FIRST, NOW)
    assert found is not None
    assert (found.record.revoked_at, found.record.revoked_reason) == (NOW, "SignedOut")


async def test_two_sessions_never_share_a_refresh_token(store: Store) -> None:
    await store.sessions.create(session())
    with pytest.raises(IntegrityError):
        await store.sessions.create(session("two", refresh_sha256=FIRST))
    assert store.available


async def test_a_person_with_ten_thousand_groups_comes_back_whole(store: Store) -> None:
    groups = tuple(f"group-{number:05d}-{'x' * 40}" for number in range(10_000))
    await store.sessions.create(session(person=replace(ALICE, groups=groups)))
    found = await store.sessions.by_refresh(FIRST, NOW)
    assert found is not None
    assert found.record.person.groups == groups


async def test_pages_give_every_session_once_the_newest_first(store: Store) -> None:
    records = [session(f"{number:02d}", created_at=NOW + number // 3) for number in range(10)]
    for record in records:
        await store.sessions.create(record)
    seen: list[SessionRecord] = []
    while page := await store.sessions.page(after=seen[-1].id if seen else None, limit=4):
        assert len(page) <= 4
        seen += page
    assert seen == [kept(record) for record in sorted(records, key=lambda one: (one.created_at, one.id), reverse=True)]


async def test_a_page_after_a_session_that_is_gone_is_empty(store: Store) -> None:
    await store.sessions.create(session())
    assert await store.sessions.page(after="nobody") == []


@pytest.mark.parametrize("user", ["alice@corp.example", "Alice@Corp.Example"])
async def test_a_page_of_one_user(store: Store, user: str) -> None:
    await store.sessions.create(session())
    await store.sessions.create(session("two", person=BOB))
    await store.sessions.create(session("three", person=replace(ALICE, user="00u1")))
    assert {record.id for record in await store.sessions.page(user=user)} == {"one", "three"}
    assert [record.id for record in await store.sessions.page(user="OKTA:bob")] == ["two"]
    assert await store.sessions.page(user="al%ice\0") == []


async def test_a_page_of_those_that_live(store: Store) -> None:
    await store.sessions.create(session("lives"))
    await store.sessions.create(session("expired", expires_at=NOW))
    await store.sessions.create(session("revoked"))
    await store.sessions.revoke("revoked", NOW, "SignedOut")
    assert [record.id for record in await store.sessions.page(active_at=NOW)] == ["lives"]
    assert len(await store.sessions.page()) == 3


async def test_one_of_all_pods_may_replace_a_token_at_a_time(store: Store, other_pod: Store) -> None:
    await store.sessions.create(session())
    claims = [pod.sessions.claim("one", FIRST, NOW, 30) for pod in (store, other_pod) * 8]
    assert sum(await asyncio.gather(*claims)) == 1
    assert not await other_pod.sessions.claim("one", FIRST, NOW + 29, 30)
    assert await other_pod.sessions.claim("one", FIRST, NOW + 31, 30), "whoever had it is gone"


async def test_a_claim_ends_with_the_rotation(store: Store, other_pod: Store) -> None:
    await store.sessions.create(session())
    assert await store.sessions.claim("one", FIRST, NOW, 30)
    assert await rotated(store, FIRST, SECOND)
    assert not await other_pod.sessions.claim("one", FIRST, NOW + 1, 30)
    assert await other_pod.sessions.claim("one", SECOND, NOW + 1, 30)


async def test_who_gives_up_a_claim_leaves_the_token_and_may_keep_another_of_the_provider(
    store: Store, other_pod: Store
) -> None:
    await store.sessions.create(session())
    assert await store.sessions.claim("one", FIRST, NOW, 30)
    await store.sessions.release("one", FIRST, b"renewed", NOW + 1)
    found = await other_pod.sessions.by_refresh(FIRST, NOW + 1)
    assert found is not None
    assert (found.which, found.record.provider_refresh_token_sealed) == ("Current", b"renewed")
    assert await other_pod.sessions.claim("one", FIRST, NOW + 1, 30)


async def test_what_has_ended_is_not_claimed(store: Store) -> None:
    await store.sessions.create(session())
    assert not await store.sessions.claim("one", SECOND, NOW, 30)
    assert not await store.sessions.claim("one", FIRST, session().expires_at, 30)
    await store.sessions.revoke("one", NOW, "AdminRevoked")
    assert not await store.sessions.claim("one", FIRST, NOW, 30)
