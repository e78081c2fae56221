"""Whether a large text holds something: by libraries that look at many bytes at once, where Python looks at one."""

import ctypes
from collections.abc import Callable
from typing import Final

from pydantic_core import SchemaValidator, core_schema


def _library_search() -> Callable[[bytes, bytes], int | None] | None:
    """`strstr` (C11, 7.24.5.7), called without letting go of the interpreter: it is over too soon for that."""
    try:
        search = ctypes.PyDLL(None).strstr
    except (OSError, AttributeError, TypeError):
        return None
    search.argtypes, search.restype = (ctypes.c_char_p, ctypes.c_char_p), ctypes.c_void_p
    return search


_SHORT: Final = 2048
"""Bytes that `in` looks through in the time that the call takes."""
_search = _library_search()


def holds(text: bytes, word: bytes) -> bool:
    """`word in text`, for a text without null bytes, as JSON has none, and a word that is not empty."""
    if _search is None or len(text) < _SHORT:
        return word in text
    return _search(text, word) is not None


def matcher(pattern: str) -> Callable[[bytes], bool]:
    """Whether a text in UTF-8 has a match, as Rust's `regex` knows patterns. Quick where there is none: what has one is
    made a string besides."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python
