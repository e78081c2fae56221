"""Where parts of a JSON text lie, and which bytes go with those that are cut out of it.

`text` is the bytes as Latin-1, which makes offsets in both the same; it is known to be valid JSON.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

Span = tuple[int, int]
"""Offsets of a part's first byte and of what follows its last one."""

_BLANKS: Final = re.compile(r"[ \t\n\r]*").match


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


scan_value: Final = json.JSONDecoder(parse_float=len, parse_int=len, parse_constant=_refuse_constant).raw_decode
"""Finds where a value ends. Numbers are not converted: their digits may be many."""


class Place(NamedTuple):
    """One member of an object, and the offsets of its key's quotation mark, its value and the value's end."""

    name: str
    key: int
    value: int
    end: int


def skip(text: str, position: int) -> int:
    """The offset of the next character that is no white space."""
    return _BLANKS(text, position).end()  # type: ignore[union-attr] # the pattern matches anything


def members(text: str, start: int) -> Iterator[Place]:
    """The members of the object that begins at `start`. Names with characters beyond ASCII are as Latin-1 has their
    bytes. Raises RecursionError for values that are nested too deeply."""
    position = skip(text, start + 1)
    while text[position] == '"':
        key = position
        name, position = scan_value(text, key)
        value = skip(text, skip(text, position) + 1)
        _, end = scan_value(text, value)
        yield Place(name, key, value, end)
        position = skip(text, end)
        if text[position] != ",":
            return
        position = skip(text, position + 1)


def elements(text: str, start: int) -> Iterator[Span]:
    """The elements of the array that begins at `start`."""
    position = skip(text, start + 1)
    while text[position] != "]":
        _, end = scan_value(text, position)
        yield position, end
        position = skip(text, end)
        if text[position] == ",":
            position = skip(text, position + 1)


def cut_members(places: Iterable[Place], unwanted: Container[str]) -> list[Span]:
    """What goes when members with these names are cut out of an object."""
    return _runs([(place.key, place.end, place.name in unwanted) for place in places])


def cut_elements(parts: Sequence[Span], unwanted: Container[int]) -> list[Span]:
    """What goes when the elements with these numbers are cut out of an array."""
    return _runs([(start, end, number in unwanted) for number, (start, end) in enumerate(parts)])


def _runs(parts: Sequence[tuple[int, int, bool]]) -> list[Span]:
    """What is cut goes up to the part behind it; at the end, from the last part that stays. So with it goes one comma,
    and white space on that side alone."""
    spans: list[Span] = []
    first: int | None = None
    kept: int | None = None
    for start, end, unwanted in parts:
        if unwanted:
            first = start if first is None else first
            continue
        if first is not None:
            spans.append((first, start))
            first = None
        kept = end
    if first is not None:
        spans.append((first if kept is None else kept, parts[-1][1]))
    return spans


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same in order, without those that lie in others."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if not found or start >= found[-1][1]:
            found.append((start, end))
        elif end > found[-1][1]:
            found[-1] = found[-1][0], end
    return found
