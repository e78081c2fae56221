"""Taking one beta out of those of a request leaves everything else as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.messages.betas import Unwanted, values_of

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
    assert UNWANTED.out_of(tuple(value.encode() for value in sent)) == tuple(value.encode() for value in left)


def test_their_headers_are_found_however_they_are_written() -> None:
    headers = [(b"Anthropic-Beta", b"a"), (b"accept", b"b"), (b"anthropic-beta", b""), (b"ANTHROPIC-BETA", b"c, d")]
    assert values_of(headers) == (b"a", b"", b"c, d")


@given(st.lists(st.lists(st.sampled_from(["a-1", "b-2", TAGS, f"{TAGS}-x"]), max_size=4), max_size=3))
def test_the_others_stay_in_their_order(values: list[list[str]]) -> None:
    left = b",".join(UNWANTED.out_of(tuple(",".join(value).encode() for value in values))).decode().split(",")
    assert [one for one in left if one] == [one for value in values for one in value if one != TAGS]
