"""Taking one beta out of a request's headers leaves everything else as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.inference.betas import Unwanted

TAGS = "request-tags-2026-08-21"
UNWANTED = Unwanted([TAGS.encode()])


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (["a-1,request-tags-2026-08-21,b-2"], ["a-1,b-2"]),
        (["request-tags-2026-08-21, b-2"], ["b-2"]),
        (["a-1 , request-tags-2026-08-21"], ["a-1"]),
        (["a-1", "request-tags-2026-08-21"], ["a-1"]),
        (["request-tags-2026-08-21"], []),
        ([" request-tags-2026-08-21 ,"], []),
        (["request-tags-2026-08-21,request-tags-2026-08-21,a-1"], ["a-1"]),
        (
            ["request-tags-2026-08-21x", "xrequest-tags-2026-08-21"],
            ["request-tags-2026-08-21x", "xrequest-tags-2026-08-21"],
        ),
        (["a-1,  b-2"], ["a-1,  b-2"]),
    ],
)
def test_a_beta_taken_out(sent: list[str], left: list[str]) -> None:
    headers = (*((b"Anthropic-Beta", value.encode()) for value in sent), (b"x", TAGS.encode()))
    assert UNWANTED.out_of(headers) == (
        *((b"Anthropic-Beta", value.encode()) for value in left),
        (b"x", TAGS.encode()),
    )


@given(st.lists(st.lists(st.sampled_from(["a-1", "b-2", TAGS, f"{TAGS}-x"]), max_size=4), max_size=3))
def test_the_others_stay_in_their_order(values: list[list[str]]) -> None:
    headers = tuple((b"anthropic-beta", ",".join(value).encode()) for value in values)
    left = b",".join(value for _, value in UNWANTED.out_of(headers)).decode().split(",")
    assert [one for one in left if one] == [one for value in values for one in value if one != TAGS]
