"""The libraries find what Python does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_proxy.messages import searching
from gateway_proxy.messages.searching import holds, matcher

texts = st.text(st.sampled_from('ab"\\uü'), max_size=60).map(str.encode)
words = st.text(st.sampled_from('ab"\\uü'), min_size=1, max_size=4).map(str.encode)


@given(texts, words)
def test_a_word_is_found_where_python_finds_it(text: bytes, word: bytes) -> None:
    assert holds(text, word) == (word in text)


@given(texts, words)
def test_and_in_a_large_text(text: bytes, word: bytes) -> None:
    large = b"-" * 70_000 + text
    assert holds(large, word) == (word in large)


def test_where_there_is_no_such_library_python_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "_search", None)
    assert holds(b"a word", b"word")
    assert not holds(b"a word", b"sword")


@given(texts)
def test_a_pattern_matches_where_pythons_does(text: bytes) -> None:
    pattern = r"\\u(?:a|[bu])b"
    assert matcher(pattern)(text) == (re.search(pattern.encode(), text) is not None)
