"""A device sign-in goes its way once, whichever pods serve its steps."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.store.conftest import Place
from tests.store.rows import ALICE, NOW, digest, session, sign_in

from gateway_proxy.store import Approved, UserCodeTakenError
from gateway_proxy.store.store import Store

DEVICE = digest("one")


async def approved(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    assert await store.sign_ins.begin("one", b"hash", NOW)
    assert await store.sign_ins.approve("one", b"hash", ALICE, b"sealed", NOW)


async def test_a_sign_in_from_its_code_to_its_person(store: Store, other_pod: Store) -> None:
    await store.sign_ins.create(sign_in())
    assert (await store.sign_ins.poll(DEVICE, NOW, 5)).state == "Pending"
    assert await other_pod.sign_ins.pending("CODE-one", NOW + 1) == sign_in()
    assert await other_pod.sign_ins.begin("one", b"hash", NOW + 2)
    assert await store.sign_ins.awaits("one", b"hash", NOW + 3)
    assert await store.sign_ins.approve("one", b"hash", ALICE, b"sealed", NOW + 4)
    assert (await other_pod.sign_ins.poll(DEVICE, NOW + 5, 5)).state == "Approved"
    assert await store.sign_ins.approved(DEVICE, NOW + 6) == Approved(ALICE, b"sealed")
    assert await store.sign_ins.redeem(DEVICE, session(), b"answer", NOW + 6, 30)
    assert [record.id for record in await other_pod.sessions.page()] == ["one"]


async def test_a_redeemed_sign_in_is_answered_alike_for_a_grace(store: Store, other_pod: Store) -> None:
    await approved(store)
    assert await other_pod.sign_ins.redeemed(DEVICE, NOW) is None
    assert await store.sign_ins.redeem(DEVICE, session(), b"answer", NOW, 30)
    assert (await other_pod.sign_ins.poll(DEVICE, NOW + 29, 5)).state == "Redeemed"
    assert await other_pod.sign_ins.redeemed(DEVICE, NOW + 29) == b"answer"
    assert await other_pod.sign_ins.approved(DEVICE, NOW + 29) is None
    assert not await other_pod.sign_ins.redeem(DEVICE, session("two"), b"other", NOW + 29, 30)
    assert (await other_pod.sign_ins.poll(DEVICE, NOW + 30, 5)).state == "Unknown"
    assert await other_pod.sign_ins.redeemed(DEVICE, NOW + 30) is None


async def test_a_session_that_cannot_be_made_leaves_its_sign_in_as_it_was(store: Store, other_pod: Store) -> None:
    await approved(store)
    await store.sessions.create(session())
    with pytest.raises(IntegrityError):
        await store.sign_ins.redeem(DEVICE, session(), b"answer", NOW, 30)
    assert (await other_pod.sign_ins.poll(DEVICE, NOW + 5, 5)).state == "Approved"
    assert await other_pod.sign_ins.redeem(DEVICE, session("two"), b"answer", NOW + 5, 30)


async def test_a_user_code_is_taken_while_its_sign_in_is_kept(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    other = sign_in("two", user_code="CODE-one")
    with pytest.raises(UserCodeTakenError):
        await store.sign_ins.create(other)
    assert await store.sign_ins.pending("CODE-one", NOW) == sign_in()
    await store.sign_ins.create(replace(other, user_code="CODE-two"))


async def test_codes_and_ids_that_nobody_made_lead_nowhere(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    for strange in ("code-one", "", "CODE-one'--", "\0", "CODE-\udc80", "é" * 5000):
        assert await store.sign_ins.pending(strange, NOW) is None
        assert not await store.sign_ins.awaits(strange, b"hash", NOW)
        assert not await store.sign_ins.deny(strange, NOW)
    assert (await store.sign_ins.poll(digest("other"), NOW, 5)).state == "Unknown"
    assert store.available


async def test_what_a_client_says_of_itself_is_kept_whatever_it_is(store: Store) -> None:
    await store.sign_ins.create(sign_in(surface="a\0b\udc80"))
    found = await store.sign_ins.pending("CODE-one", NOW)
    assert found is not None
    assert found.surface == "a\ufffdb?"


async def test_a_later_browser_replaces_the_one_before(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    assert await store.sign_ins.begin("one", b"first", NOW)
    assert await store.sign_ins.begin("one", b"second", NOW)
    assert not await store.sign_ins.awaits("one", b"first", NOW)
    assert not await store.sign_ins.approve("one", b"first", ALICE, None, NOW)
    assert await store.sign_ins.awaits("one", b"second", NOW)
    assert await store.sign_ins.approve("one", b"second", ALICE, None, NOW)
    assert not await store.sign_ins.awaits("one", b"second", NOW)


async def test_a_callback_that_was_not_begun_approves_nothing(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    assert not await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)


async def test_a_replayed_callback_approves_nothing(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    assert await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    assert not await store.sign_ins.approve("one", b"hash", replace(ALICE, user="mallory"), None, NOW)
    assert await store.sign_ins.approved(DEVICE, NOW) == Approved(ALICE, None)


async def test_a_denied_sign_in_stays_denied(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    assert await store.sign_ins.deny("one", NOW)
    assert not await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    assert not await store.sign_ins.deny("one", NOW)
    assert await store.sign_ins.pending("CODE-one", NOW) is None
    assert (await store.sign_ins.poll(DEVICE, NOW, 5)).state == "Denied"
    assert await store.sign_ins.approved(DEVICE, NOW) is None
    assert not await store.sign_ins.redeem(DEVICE, session(), b"answer", NOW, 30)
    assert await store.sessions.page() == []


async def test_an_expired_sign_in_does_nothing_more(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    late = NOW + 600
    assert await store.sign_ins.pending("CODE-one", late) is None
    assert not await store.sign_ins.begin("one", b"again", late)
    assert not await store.sign_ins.approve("one", b"hash", ALICE, None, late)
    assert not await store.sign_ins.deny("one", late)
    assert (await store.sign_ins.poll(DEVICE, late, 5)).state == "Expired"


async def test_an_approved_sign_in_that_expired_gives_nothing(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    assert (await store.sign_ins.poll(DEVICE, NOW + 600, 5)).state == "Expired"
    assert await store.sign_ins.approved(DEVICE, NOW + 600) is None
    assert not await store.sign_ins.redeem(DEVICE, session(), b"answer", NOW + 600, 30)


async def test_a_device_that_polls_too_often_waits_five_seconds_more_each_time(store: Store, other_pod: Store) -> None:
    await store.sign_ins.create(sign_in())
    polls = [
        (NOW, "Pending", 5),
        (NOW + 5, "Pending", 5),
        (NOW + 9.2, "Pending", 5),  # the network was quick this time
        (NOW + 11, "SlowDown", 10),
        (NOW + 16, "SlowDown", 15),
        (NOW + 31, "Pending", 15),
    ]
    for number, (at, state, interval) in enumerate(polls):
        poll = await (store, other_pod)[number % 2].sign_ins.poll(DEVICE, at, 5)
        assert (poll.state, poll.interval) == (state, interval), at


async def test_an_approval_is_told_to_a_device_that_hurries(store: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.poll(DEVICE, NOW, 5)
    await store.sign_ins.begin("one", b"hash", NOW)
    await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    assert (await store.sign_ins.poll(DEVICE, NOW + 1, 5)).state == "Approved"


async def test_one_of_many_redeems(place: Place, store: Store, other_pod: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    await store.sign_ins.approve("one", b"hash", ALICE, None, NOW)
    calls = (
        pod.sign_ins.redeem(DEVICE, session(f"{number}"), f"{number}".encode(), NOW, 30)
        for number, pod in enumerate((store, other_pod) * 8)
    )
    answers = await asyncio.gather(*calls)
    assert [record.id for record in await store.sessions.page()] == [str(answers.index(True))]
    assert await store.sign_ins.redeemed(DEVICE, NOW) == str(answers.index(True)).encode()
    assert sum(answers) == 1


async def test_one_of_many_callbacks_approves(store: Store, other_pod: Store) -> None:
    await store.sign_ins.create(sign_in())
    await store.sign_ins.begin("one", b"hash", NOW)
    calls = (pod.sign_ins.approve("one", b"hash", ALICE, None, NOW) for pod in (store, other_pod) * 8)
    assert sum(await asyncio.gather(*calls)) == 1


async def test_one_of_many_gets_a_user_code(store: Store, other_pod: Store) -> None:
    calls = [
        pod.sign_ins.create(sign_in(f"{number}", user_code="SAME")) for number, pod in enumerate((store, other_pod) * 6)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, UserCodeTakenError) for result in results) == 11
