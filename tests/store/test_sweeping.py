"""What nobody will ask for is removed, and nothing else."""

import itertools

from tests.store.rows import ALICE, NOW, digest, session, sign_in

from gateway_proxy.identity.sessions.feed import KEPT_SECONDS
from gateway_proxy.store.store import Store
from gateway_proxy.store.sweep import SESSION_SECONDS, SIGN_IN_SECONDS, SPENT_SECONDS, sweep


async def test_a_sign_in_is_kept_for_ten_minutes_after_its_end(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    ended = NOW + 600
    await sweep(store._database, ended + SIGN_IN_SECONDS)
    assert (await store.sign_ins.poll(digest("one"), ended + SIGN_IN_SECONDS, 5)).state == "Expired"
    await sweep(store._database, ended + SIGN_IN_SECONDS + 1)
    assert (await store.sign_ins.poll(digest("one"), ended + SIGN_IN_SECONDS, 5)).state == "Unknown"
    await store.sign_ins.create(sign_in("two", user_code=sign_in().user_code))


async def test_a_session_is_kept_for_a_week_after_its_end(store: Store) -> None:
    await store.sessions.create(session())
    ended = session().expires_at
    await sweep(store._database, ended + SESSION_SECONDS)
    assert len(await store.sessions.page()) == 1
    await sweep(store._database, ended + SESSION_SECONDS + 1)
    assert await store.sessions.page() == []
    assert await store.sessions.by_refresh(digest("one-refresh"), NOW) is None


async def test_a_revoked_session_is_kept_for_a_week_after_its_revocation(store: Store) -> None:
    await store.sessions.create(session(expires_at=NOW + 30 * 86400))
    await store.sessions.create(session("lives", expires_at=NOW + 30 * 86400))
    await store.sessions.revoke("one", NOW, "SignedOut")
    await sweep(store._database, NOW + SESSION_SECONDS)
    assert len(await store.sessions.page()) == 2
    await sweep(store._database, NOW + SESSION_SECONDS + 1)
    assert [record.id for record in await store.sessions.page()] == ["lives"]
    assert SESSION_SECONDS > KEPT_SECONDS, "every pod has learnt of it"


async def test_a_spent_refresh_token_is_known_for_a_week(store: Store) -> None:
    await store.sessions.create(session(expires_at=NOW + 365 * 86400))
    hashes = [digest("one-refresh"), digest("second"), digest("third")]
    for before, after in itertools.pairwise(hashes):
        assert await store.sessions.rotate(
            "one", before, after, b"", ALICE, None, now=NOW, expires_at=NOW + 365 * 86400, grace_seconds=30
        )
    await sweep(store._database, NOW + SPENT_SECONDS)
    found = await store.sessions.by_refresh(hashes[0], NOW)
    assert found is not None
    assert found.which == "Spent"
    await sweep(store._database, NOW + SPENT_SECONDS + 1)
    assert await store.sessions.by_refresh(hashes[0], NOW) is None
    assert await store.sessions.by_refresh(hashes[2], NOW) is not None
