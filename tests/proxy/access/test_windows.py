"""The sliding window: never more than the limit in any stretch of its length, and room again in time."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.access import windows
from gateway_proxy.access.windows import SLOTS, Counts, SlidingWindow


def test_the_limit_holds_and_tells_when_there_is_room() -> None:
    window = SlidingWindow(3, 600)
    assert [window.admit("a", 1000.0 + number) for number in range(3)] == [None, None, None]
    wait = window.admit("a", 1003.0)
    assert wait is not None
    assert 597 <= wait <= 597 + 600 / SLOTS
    assert window.admit("a", 1003.0 + wait - 600 / SLOTS) is not None, "not much too early"
    assert window.admit("a", 1003.0 + wait) is None


def test_a_refused_attempt_does_not_put_off_the_next() -> None:
    window = SlidingWindow(1, 10)
    assert window.admit("a", 0.0) is None
    for tenth in range(1, 100):
        assert window.admit("a", tenth / 10) is not None
    assert window.admit("a", 10.6) is None


def test_asking_for_room_takes_none() -> None:
    window = SlidingWindow(1, 10)
    assert [window.wait("a", 0.0) for _ in range(3)] == [None] * 3
    assert len(window) == 0
    assert window.admit("a", 0.0) is None
    assert window.wait("a", 0.0) == window.admit("a", 0.0)
    assert window.wait("b", 0.0) is None


def test_keys_do_not_share() -> None:
    window = SlidingWindow(1, 10)
    assert window.admit("a", 0.0) is None
    assert window.admit("b", 0.0) is None
    assert window.admit("a", 0.0) is not None


def test_a_changed_limit_holds_for_what_counted_before() -> None:
    window = SlidingWindow(5, 10)
    for _ in range(4):
        assert window.admit("a", 0.0) is None
    window.limit = 2
    assert window.admit("a", 1.0) is not None
    window.limit = 5
    assert window.admit("a", 1.0) is None


@given(
    steps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
    limit=st.integers(1, 8),
    seconds=st.sampled_from([1.0, 10.0, 60.0]),
)
def test_no_stretch_has_more_than_the_limit(steps: list[float], limit: int, seconds: float) -> None:
    window = SlidingWindow(limit, seconds)
    now, admitted = 12345.678, []
    for step in steps:
        now += step
        wait = window.admit("a", now)
        if wait is None:
            admitted.append(now)
        else:
            assert 1 <= wait <= seconds * (SLOTS + 1) / SLOTS + 1
            assert len([at for at in admitted if at > now - seconds * (SLOTS + 1) / SLOTS]) >= limit, "room was there"
    for start in admitted:
        assert len([at for at in admitted if start <= at < start + seconds]) <= limit


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 1000)), min_size=1, max_size=60), st.integers(0, 3000))
def test_the_wait_is_as_long_as_it_must_be(events: list[tuple[float, int]], most: int) -> None:
    counts, now = Counts(20.0), 500.0
    for step, number in events:
        now += step
        counts.add(now, number)
    wait = counts.seconds_until(now, most)
    assert (wait == 0) == (counts.at(now) <= most)
    assert counts.at(now + wait + 1e-6) <= most


def test_memory_is_bounded_and_who_asks_is_remembered() -> None:
    window = SlidingWindow(1, 600)
    source = random.Random(7)
    assert window.admit("insistent", 0.0) is None
    for number in range(windows.MAX_KEYS * 2):
        window.admit(f"{source.getrandbits(64):x}", number / 1000)
        if number % 1000 == 0:
            assert window.admit("insistent", number / 1000) is not None
    assert len(window) <= windows.MAX_KEYS


def test_silent_keys_make_room_first() -> None:
    window = SlidingWindow(1, 10)
    for number in range(windows.MAX_KEYS):
        window.admit(f"old-{number}", 0.0)
    window.admit("new", 100.0)
    assert len(window) < windows.MAX_KEYS
