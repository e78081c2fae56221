"""`Retry-After` as upstreams send it, and whatever else they send in its place."""

import time
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway_proxy.upstream.retry_after import retry_after_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("17", 17), ("9" * 40, 999_999_999), (None, None), ("", None), ("soon", None), ("-1", None)],
)
def test_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_a_date() -> None:
    found = retry_after_seconds(formatdate(time.time() + 90, usegmt=True))
    assert found is not None
    assert 80 < found <= 90
    assert retry_after_seconds("Sun, 06 Nov 1994 08:49:37 GMT") == 0


@given(
    st.text(st.characters(max_codepoint=255))
    | st.from_regex(r"(\w{3}, )?\d{1,6} \w{3} \d{1,9} \d+:\d+(:\d+)? [-+]?\w{1,9}")
)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 0001 00:00:00 -0000")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("1 Jan 2020 00:00:00 +99999999999999999999")
def test_anything_else_is_none_or_a_time_to_come(value: str) -> None:
    found = retry_after_seconds(value)
    assert found is None or found >= 0
