"""When an upstream goes behind the others, for how long, and who may try it again."""

import pytest
from tests.proxy.configurations import upstream

from gateway_config.contract import Health
from gateway_proxy.inference.standing import MAX_RETRY_AFTER_SECONDS, Binding, Occupancy, Standing

MODEL = "claude-sonnet-5-5"


def standing(failures: int = 3, cool_down: float = 30) -> Standing:
    health = Health(failures_before_cool_down=failures, cool_down_seconds=cool_down)
    return Binding(upstream().model_copy(update={"health": health})).standing(MODEL)


def fail(one: Standing, now: float, *, probe: bool = False, retry_after: float | None = None) -> bool:
    return one.failed(now, one.era, probe=probe, retry_after=retry_after)


def test_failures_in_a_row_begin_a_cool_down() -> None:
    one = standing()
    assert [fail(one, 0), fail(one, 1), one.cooling, fail(one, 2), one.cooling] == [False, False, False, True, True]
    assert one.until == 32


def test_an_answer_in_between_begins_the_row_anew() -> None:
    one = standing()
    fail(one, 0), fail(one, 1)
    assert not one.succeeded(one.era), "it did not cool down"
    assert [fail(one, 2), fail(one, 3), fail(one, 4)] == [False, False, True]


def test_one_request_at_a_time_tries_it_again() -> None:
    one = standing(failures=1)
    fail(one, 0)
    assert not one.claim_probe(29.9)
    assert one.claim_probe(30)
    assert not one.claim_probe(31), "one is on its way"
    assert fail(one, 32, probe=True)
    assert not one.claim_probe(61.9), "another whole cool-down"
    assert one.claim_probe(62)
    assert one.succeeded(one.era)
    assert not one.cooling
    assert one.failures == 0


def test_a_trial_that_tells_nothing_frees_the_place() -> None:
    one = standing(failures=1)
    fail(one, 0)
    assert one.claim_probe(30)
    one.abandoned(one.era)
    assert one.cooling
    assert one.claim_probe(30)


@pytest.mark.parametrize(
    ("asked", "until"), [(12, 12), (0, 1), (90, 90), (1e9, MAX_RETRY_AFTER_SECONDS)], ids=["12", "0", "90", "years"]
)
def test_a_retry_after_is_believed_at_the_first_failure(asked: float, until: float) -> None:
    one = standing()
    assert fail(one, 0, retry_after=asked)
    assert one.until == until


@pytest.mark.parametrize(("asked", "until"), [(12, 30), (90, 90)])
def test_at_the_last_failure_of_a_row_the_longer_time_counts(asked: float, until: float) -> None:
    one = standing(failures=1)
    fail(one, 0, retry_after=asked)
    assert one.until == until


def test_a_trial_that_fails_cools_down_for_the_longer_time() -> None:
    one = standing()
    fail(one, 0, retry_after=1)
    assert one.claim_probe(1)
    assert fail(one, 2, probe=True, retry_after=5)
    assert one.until == 32


def test_requests_that_began_before_it_neither_heal_nor_prolong_it() -> None:
    one = standing(failures=1)
    before = one.era
    fail(one, 0)
    assert not one.succeeded(before)
    assert not one.failed(10, before, probe=False, retry_after=None)
    assert (one.cooling, one.until) == (True, 30)
    assert not one.failed(10, before, probe=False, retry_after=40)
    assert one.until == 50, "but the upstream's own word counts"


def test_tried_while_it_cools_down_an_answer_heals_and_a_failure_does_not_prolong() -> None:
    one = standing(failures=1)
    fail(one, 0)
    assert not fail(one, 10)
    assert one.until == 30
    assert one.succeeded(one.era)
    assert not one.cooling


def test_a_failure_after_the_time_that_no_trial_was_made_of_begins_another() -> None:
    """An upstream without another beside it is tried by every request."""
    one = standing(failures=1)
    fail(one, 0)
    assert fail(one, 40)
    assert one.until == 70


def test_each_model_stands_by_itself() -> None:
    binding = Binding(upstream())
    for now in range(3):
        fail(binding.standing("claude-opus-5-5"), now)
    assert binding.standing("claude-opus-5-5").cooling
    assert not binding.standing(MODEL).cooling


def test_full_by_the_requests_that_are_open_whichever_configuration_they_came_by() -> None:
    open_ = Occupancy()
    limited = upstream().model_copy(update={"max_concurrent_requests": 2})
    open_.open = 2
    assert Binding(limited, occupancy=open_).full
    assert not Binding(upstream(), occupancy=open_).full, "0 is unbounded"
