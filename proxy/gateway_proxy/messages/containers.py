"""Which objects in a request are of the Messages API's own form.

What a user or a model wrote as JSON may hold objects of the same names: the input of a tool call, the schema of a tool,
of an answer. That is nobody's to change. So what counts is the way to an object, from the body down.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway_proxy import errors
from gateway_proxy.messages.body import Members, too_deep
from gateway_proxy.messages.cutting import Place, Span, elements, members, skip

CONTAINERS: Final = frozenset(
    {
        "content",
        "context_management",
        "edits",
        "mcp_servers",
        "messages",
        "output_config",
        "source",
        "system",
        "tools",
    }
)
"""Members whose values are the API's objects, or arrays of them, as the request's parameters in Anthropic's SDK have it
(anthropic-sdk-python, `types/beta/message_create_params.py` and what that names). `content` is that of a message, of a
tool's result and of a document's `source`."""

PARTS_LIMIT: Final = 10_000
"""Objects, members of those, or betas in a body, that are looked at one by one; real requests have some dozens. An
object takes the event loop some 15 us, and a body has room for a million."""
ROUNDS: Final = 5
"""How often the bytes of a body are read at most for objects that lie in each other: a message, a tool's result, a
document in it, its source, a block of that."""
ELEMENTS_LIMIT: Final = 200_000
"""Elements of arrays that are walked past, at half a microsecond each. The API takes 100,000 messages."""

_SPLIT_COMMAS: Final = 500_000
"""In an array that is taken apart at once: each may part two elements, and these take a hundred bytes each."""
_elements_of: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def own(request: Members, starts: Iterable[int]) -> set[int]:
    """Those of the objects at `starts` that are. Raises GatewayError (400) where too much would have to be looked at,
    and RecursionError."""
    walk = _Walk(request, sorted(starts))
    for place in request.places:
        walk.enter(place)
    return walk.found


def too_many_parts(limit: int) -> errors.GatewayError:
    return errors.invalid_request(
        f"the request body has more than {limit} parts that would have to be looked into for this upstream",
        reason="TooManyParts",
    )


class _Walk:
    """Goes down to the objects wanted, and past everything that holds none."""

    __slots__ = ("_elements_left", "_left", "_parts", "_request", "_text", "_wanted", "found")

    def __init__(self, request: Members, wanted: list[int]) -> None:
        self.found: set[int] = set()
        self._request = request
        self._text = request.text
        self._wanted = wanted
        self._left = ROUNDS * len(request.body)
        self._parts = PARTS_LIMIT
        self._elements_left = ELEMENTS_LIMIT

    def enter(self, member: Place) -> None:
        start, end = member.value, member.end
        if not self._holds_wanted(start, end):
            return
        if self._text[start] == "{":
            if self._wanted[bisect_left(self._wanted, start)] == start:
                self.found.add(start)
            if member.name in CONTAINERS:
                self._object(start, end)
        elif member.name in CONTAINERS:
            for at, to in self._elements(start, end):
                if self._text[at] == "{" and self._holds_wanted(at, to):
                    self._count()
                    self._object(at, to)

    def _holds_wanted(self, start: int, end: int) -> bool:
        position = bisect_left(self._wanted, start)
        return position < len(self._wanted) and self._wanted[position] < end

    def _object(self, start: int, end: int) -> None:
        self._left -= end - start
        if self._left < 0:
            raise too_deep()
        for place in members(self._text, start):
            self._count()
            self.enter(place)

    def _elements(self, start: int, end: int) -> Iterator[Span]:
        """Of an array; taken apart at once where that is possible, which takes a tenth of the time."""
        text = self._text
        if text.count(",", start, end) <= _SPLIT_COMMAS:
            try:
                raws = _elements_of(memoryview(self._request.body)[start:end])
            except (msgspec.DecodeError, RecursionError):
                pass  # a lone surrogate, which JSON's grammar lets stand
            else:
                self._elements_left -= len(raws)
                if self._elements_left < 0:
                    raise too_many_parts(ELEMENTS_LIMIT)
                yield from _spans(text, start, raws)
                return
        for span in elements(text, start):
            self._count()
            yield span

    def _count(self) -> None:
        self._parts -= 1
        if self._parts < 0:
            raise too_many_parts(PARTS_LIMIT)


def _spans(text: str, start: int, raws: Iterable[msgspec.Raw]) -> Iterator[Span]:
    end = start
    for raw in raws:
        start = skip(text, end + 1)
        value_end = start + len(raw)
        yield start, value_end
        end = skip(text, value_end)
