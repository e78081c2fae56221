"""Limits of a user: what counts, when there is room again, and how a pod's share follows the number of pods."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_config.callers import Caller
from gateway_config.contract import RateLimits
from gateway_proxy.access import rate_limits
from gateway_proxy.access.rate_limits import Admission, RateLimiter
from gateway_proxy.errors import GatewayError
from gateway_proxy.identity.principal import Principal
from gateway_proxy.spend.usage import Usage

SLACK = 60 / 20
"""Seconds that a minute may be longer."""


def person(user: str = "alice") -> Principal:
    return Principal(caller=Caller(user=user))


def stranger(token: str) -> Principal:
    return Principal(caller=None, passthrough_authorization=f"Bearer {token}")


def ask(
    limiter: RateLimiter,
    now: float,
    *,
    principal: Principal | None = None,
    pods: int = 1,
    body: int = 400,
    max_tokens: int | None = None,
    **limits: int,
) -> Admission:
    return limiter.admit(
        principal or person(),
        RateLimits(**limits),
        live_pods=pods,
        body_bytes=body,
        max_tokens=max_tokens,
        now=now,
    )


def refusal(limiter: RateLimiter, now: float, **given_: object) -> tuple[str, int]:
    with pytest.raises(GatewayError) as caught:
        ask(limiter, now, **given_)  # type: ignore[arg-type] # handed on as they are
    assert (caught.value.status, caught.value.type) == (429, "rate_limit_error")
    return caught.value.reason, int(caught.value.headers["retry-after"])


def answered(admission: Admission, now: float, **usage: int) -> None:
    admission.settle(Usage(**usage), now)
    admission.end()


def test_requests_in_a_minute() -> None:
    limiter = RateLimiter()
    for second in range(3):
        ask(limiter, 100.0 + second, requests_per_minute=3).end()
    reason, wait = refusal(limiter, 103.0, requests_per_minute=3)
    assert reason == "RequestRateLimit"
    assert 57 <= wait <= 57 + SLACK
    ask(limiter, 103.0, principal=person("bob"), requests_per_minute=3)
    ask(limiter, 103.0 + wait, requests_per_minute=3)


def test_a_user_is_one_in_any_case_and_with_any_key() -> None:
    limiter = RateLimiter()
    ask(limiter, 0.0, principal=person("Alice@corp.example"), requests_per_minute=1)
    assert refusal(limiter, 0.0, principal=person("alice@CORP.example"), requests_per_minute=1)


def test_requests_at_once() -> None:
    limiter = RateLimiter()
    first, _ = ask(limiter, 0.0, open_streams=2), ask(limiter, 0.0, open_streams=2)
    assert refusal(limiter, 0.0, open_streams=2) == ("OpenStreamsLimit", 5)
    first.end()
    first.end()
    ask(limiter, 0.0, open_streams=2)
    assert refusal(limiter, 0.0, open_streams=2)[0] == "OpenStreamsLimit"


def test_tokens_are_estimated_then_counted_as_used() -> None:
    limiter = RateLimiter()
    first = ask(limiter, 0.0, body=4000, tokens_per_minute=3000)
    assert refusal(limiter, 0.0, body=4000, tokens_per_minute=3000) == ("TokenRateLimit", 5), "2,000 are reserved"
    answered(first, 1.0, input_tokens=100, output_tokens=50)
    second = ask(limiter, 1.0, body=4000, tokens_per_minute=3000)
    answered(second, 2.0, input_tokens=2900)
    reason, wait = refusal(limiter, 3.0, tokens_per_minute=3000)
    assert reason == "TokenRateLimit"
    assert 58 <= wait <= 59 + SLACK
    ask(limiter, 3.0 + wait, tokens_per_minute=3000)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"input_tokens": 500}, True),
        ({"output_tokens": 500}, True),
        ({"cache_creation_5m_input_tokens": 500}, True),
        ({"cache_creation_1h_input_tokens": 500}, True),
        ({"cache_read_input_tokens": 500_000}, False),
    ],
)
def test_which_tokens_count(usage: dict[str, int], counted: bool) -> None:
    limiter = RateLimiter()
    answered(ask(limiter, 0.0, body=4, max_tokens=1, tokens_per_minute=500), 0.0, **usage)
    if counted:
        assert refusal(limiter, 0.0, body=4, max_tokens=1, tokens_per_minute=500)[0] == "TokenRateLimit"
    else:
        ask(limiter, 0.0, body=4, max_tokens=1, tokens_per_minute=500)


def test_a_request_above_the_limit_goes_alone() -> None:
    limiter = RateLimiter()
    admission = ask(limiter, 0.0, body=1_000_000, tokens_per_minute=1000)
    assert refusal(limiter, 0.0, body=4, max_tokens=1, tokens_per_minute=1000)
    answered(admission, 0.0, input_tokens=250_000)
    assert refusal(limiter, 59.0, body=4, max_tokens=1, tokens_per_minute=1000)
    ask(limiter, 60.0 + SLACK, body=1_000_000, tokens_per_minute=1000)


def test_the_estimate_learns_that_a_session_comes_from_the_cache() -> None:
    limiter = RateLimiter()
    for minute in range(20):
        answered(
            ask(limiter, minute * 100.0, body=400_000, tokens_per_minute=50_000),
            minute * 100.0 + 5,
            input_tokens=1000,
            output_tokens=200,
            cache_read_input_tokens=99_000,
        )
    for _ in range(10):
        ask(limiter, 5000.0, body=400_000, tokens_per_minute=50_000)


def test_an_answer_without_usage_counts_nothing() -> None:
    limiter = RateLimiter()
    admission = ask(limiter, 0.0, body=4000, tokens_per_minute=1000)
    admission.settle(None, 0.0)
    admission.settle(Usage(input_tokens=5000), 0.0)
    admission.end()
    ask(limiter, 0.0, body=4000, tokens_per_minute=1000)


def test_counting_tokens_counts_none() -> None:
    limiter = RateLimiter()
    answered(ask(limiter, 0.0, tokens_per_minute=100), 0.0, input_tokens=100)
    ask(limiter, 0.0, max_tokens=0, tokens_per_minute=100)


def test_what_is_refused_counts_nothing() -> None:
    limiter = RateLimiter()
    held = ask(limiter, 0.0, open_streams=1, requests_per_minute=2)
    for _ in range(10):
        refusal(limiter, 0.0, open_streams=1, requests_per_minute=2)
    held.end()
    ask(limiter, 0.0, open_streams=1, requests_per_minute=2)


@pytest.mark.parametrize(("limit", "pods", "share"), [(10, 1, 10), (10, 3, 4), (10, 20, 1), (10, 0, 10), (9, 3, 3)])
def test_a_pod_enforces_its_share(limit: int, pods: int, share: int) -> None:
    limiter = RateLimiter()
    for _ in range(share):
        ask(limiter, 0.0, pods=pods, requests_per_minute=limit).end()
    assert refusal(limiter, 0.0, pods=pods, requests_per_minute=limit)[0] == "RequestRateLimit"


def test_a_share_grows_when_a_pod_goes() -> None:
    limiter = RateLimiter()
    ask(limiter, 0.0, pods=2, requests_per_minute=2)
    assert refusal(limiter, 0.0, pods=2, requests_per_minute=2)
    ask(limiter, 0.0, pods=1, requests_per_minute=2)


def test_subscription_logins_are_kept_apart_and_push_out_no_user() -> None:
    limiter = RateLimiter()
    ask(limiter, 0.0, requests_per_minute=1).end()
    ask(limiter, 0.0, principal=stranger("one"), requests_per_minute=1).end()
    assert refusal(limiter, 0.0, principal=stranger("one"), requests_per_minute=1)
    for number in range(rate_limits.MAX_USERS + 10):
        ask(limiter, 1.0, principal=stranger(f"made up {number}"), requests_per_minute=1).end()
    assert refusal(limiter, 1.0, requests_per_minute=1)
    assert len(limiter) <= rate_limits.MAX_USERS + 1


def test_memory_is_bounded_and_open_requests_are_never_forgotten() -> None:
    limiter = RateLimiter()
    held = ask(limiter, 0.0, principal=person("holder"), open_streams=1)
    for number in range(rate_limits.MAX_USERS + 100):
        ask(limiter, 1.0, principal=person(f"user-{number}"), requests_per_minute=1).end()
    assert len(limiter) <= rate_limits.MAX_USERS
    assert refusal(limiter, 1.0, principal=person("holder"), open_streams=1)
    held.end()
    ask(limiter, 1.0, principal=person("holder"), open_streams=1)


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.integers(1, 4000), st.integers(0, 3000), st.booleans()), min_size=1, max_size=80
    )
)
def test_whatever_comes_the_books_are_even_in_the_end(requests: list[tuple[float, int, int, bool]]) -> None:
    limiter, now, open_ = RateLimiter(), 0.0, []
    for step, body, used, finishes in requests:
        now += step
        with contextlib.suppress(GatewayError):
            open_.append((ask(limiter, now, body=body, tokens_per_minute=5000, open_streams=4), used))
        if finishes and open_:
            admission, tokens = open_.pop(0)
            answered(admission, now, output_tokens=tokens)
    for admission, tokens in open_:
        answered(admission, now, output_tokens=tokens)
    for _ in range(4):
        ask(limiter, now + 60 + SLACK, body=1, max_tokens=1, tokens_per_minute=5000, open_streams=4)
