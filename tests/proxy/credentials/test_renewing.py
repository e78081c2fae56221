"""Credentials that expire: when they are fetched, what serves meanwhile, and what ends with its owner."""

import asyncio
import gc
import logging
import time
import weakref

import pytest
from tests.proxy.waiting import until

from gateway_proxy.credentials import renewing
from gateway_proxy.credentials.renewing import Fetched, Renewing
from gateway_proxy.upstream.errors import CredentialError


class Source:
    """A token service: numbers its tokens, waits or refuses as it is told."""

    def __init__(self, *, seconds: float | None = 3600) -> None:
        self.seconds = seconds
        self.asked = 0
        self.refuses: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.ahead = 0.0
        self.renewing = Renewing(self.fetch, what="a token", clock=self.now)
        self.renewing.upstream = "team/cloud"

    def now(self) -> float:
        return time.time() + self.ahead

    async def fetch(self) -> Fetched[str]:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        if self.refuses is not None:
            raise type(self.refuses)(*self.refuses.args)  # a new one: tracebacks hold frames
        return Fetched(f"token {number}", None if self.seconds is None else self.now() + self.seconds)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "RETRY_SECONDS", (0.01, 0.02))


async def test_many_who_wait_for_the_first_value_cause_one_fetch() -> None:
    source = Source()
    values = await asyncio.gather(*(source.renewing.get() for _ in range(50)))
    assert set(values) == {"token 1"}
    assert source.asked == 1


async def test_prepare_fetches_before_anybody_asks_and_once() -> None:
    source = Source()
    assert source.renewing.current is None
    source.renewing.prepare()
    source.renewing.prepare()
    await until(lambda: source.renewing.current == "token 1")
    source.renewing.prepare()
    assert await source.renewing.get() == "token 1"
    assert source.asked == 1


async def test_who_leaves_ends_no_fetch_that_others_wait_for() -> None:
    source = Source()
    source.open.clear()
    leaving, staying = (asyncio.ensure_future(source.renewing.get()) for _ in range(2))
    await until(lambda: source.asked == 1)
    leaving.cancel()
    source.open.set()
    assert await staying == "token 1"
    assert leaving.cancelled()


async def test_a_value_is_renewed_ahead_of_its_end_and_serves_meanwhile() -> None:
    source = Source(seconds=0.4)
    assert await source.renewing.get() == "token 1"
    source.open.clear()
    await until(lambda: source.asked == 2)
    assert source.renewing.current == "token 1", "renewed at three quarters of its life"
    source.seconds = 3600
    source.open.set()
    await until(lambda: source.renewing.current == "token 2")
    assert source.renewing.counts.renewals == 2


async def test_a_value_that_never_expires_is_fetched_once() -> None:
    source = Source(seconds=None)
    assert await source.renewing.get() == "token 1"
    source.ahead = 1e9
    assert source.renewing.current == "token 1"
    assert source.renewing.expires_at is None
    source.renewing.refused()
    assert source.renewing._task is None


async def test_the_old_value_serves_while_renewals_fail_until_it_has_expired(
    quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(seconds=60)
    assert await source.renewing.get() == "token 1"
    source.refuses = CredentialError("sts.example.com says AccessDenied")
    source.ahead = 31
    source.renewing.refused()
    await until(lambda: source.renewing.counts.failures >= 2)
    assert await source.renewing.get() == "token 1"
    assert source.renewing.failing
    told = [record for record in caplog.records if getattr(record, "event", "") == "credential.failed"]
    assert [(record.levelno, record.getMessage()) for record in told] == [
        (
            logging.WARNING,
            "upstream team/cloud: sts.example.com says AccessDenied; the one before serves on",
        )
    ], "the same failure is told of once a minute"
    source.ahead = 61
    assert source.renewing.current is None
    with pytest.raises(CredentialError, match=r"sts\.example\.com says AccessDenied"):
        await source.renewing.get()


async def test_nobody_waits_while_fetches_fail_and_they_go_on(quick: None) -> None:
    source = Source()
    source.refuses = CredentialError("it is away")
    with pytest.raises(CredentialError, match="it is away"):
        await source.renewing.get()
    source.open.clear()
    await until(lambda: source.asked == 2)
    with pytest.raises(CredentialError, match="it is away"):
        await source.renewing.get()
    source.refuses = None
    source.open.set()
    await until(lambda: source.renewing.current is not None)
    assert not source.renewing.failing


async def test_a_value_that_has_expired_while_nothing_failed_is_waited_for() -> None:
    """As on a machine that slept."""
    source = Source()
    assert await source.renewing.get() == "token 1"
    source.ahead = 4000
    assert source.renewing.current is None
    assert await source.renewing.get() == "token 2"


async def test_what_comes_expired_is_a_failure_that_names_the_clock() -> None:
    source = Source(seconds=-5)
    with pytest.raises(CredentialError, match="clock"):
        await source.renewing.get()


async def test_a_bug_is_a_failure_and_tells_no_text_of_the_exception(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    source.refuses = RuntimeError("secret-canary")
    with pytest.raises(CredentialError, match="a bug of the gateway: RuntimeError in fetch") as caught:
        await source.renewing.get()
    assert "canary" not in str(caught.value) + caplog.text


async def test_an_upstreams_refusal_brings_a_new_value_but_not_at_once_again() -> None:
    source = Source()
    assert await source.renewing.get() == "token 1"
    source.renewing.refused()
    assert source.asked == 1
    source.ahead = renewing._REFUSED_SECONDS
    source.renewing.refused()
    await until(lambda: source.renewing.current == "token 2")


async def test_a_successor_serves_with_the_value_before_until_its_own_is_there() -> None:
    old, new = Source(), Source()
    await old.renewing.get()
    old.asked = 0
    new.asked = 100
    new.renewing.take_over(old.renewing, value=True)
    new.open.clear()
    new.renewing.prepare()
    assert await new.renewing.get() == "token 1"
    new.open.set()
    await until(lambda: new.renewing.current == "token 101")
    assert new.renewing.counts.renewals == 2, "the binding's, not the client's"


async def test_a_successor_whose_own_fetch_fails_serves_with_the_value_before(quick: None) -> None:
    old, new = Source(), Source()
    await old.renewing.get()
    new.renewing.take_over(old.renewing, value=True)
    new.refuses = CredentialError("no")
    new.renewing.prepare()
    await until(lambda: new.renewing.counts.failures == 1)
    assert await new.renewing.get() == "token 1"
    new.ahead = 3601
    with pytest.raises(CredentialError, match="no"):
        await new.renewing.get()


async def test_another_identity_gets_nothing_of_the_one_before() -> None:
    old, new = Source(), Source()
    await old.renewing.get()
    new.renewing.take_over(old.renewing, value=False)
    assert new.renewing.current is None


async def test_one_that_its_owner_dropped_ends_by_itself(quick: None) -> None:
    for refusal in (None, CredentialError("no")):
        source = Source(seconds=1)
        source.refuses = refusal
        source.renewing.prepare()
        counts = source.renewing.counts
        await until(lambda counts=counts: counts.renewals + counts.failures == 1)  # type: ignore[misc]
        asked, gone = source.asked, weakref.ref(source.renewing)
        del source
        gc.collect()
        assert gone() is None
        assert asked == 1
