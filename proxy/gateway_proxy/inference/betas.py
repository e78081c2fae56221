"""The names that a request's `anthropic-beta` headers list."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from multidict import CIMultiDictProxy

Header = tuple[bytes, bytes]
RawHeaders = Sequence[Header]

_HEADER: Final = "anthropic-beta"
_RAW_HEADER: Final = _HEADER.encode()
_LENGTH: Final = len(_RAW_HEADER)
_KNOWN_LIMIT: Final = 32
_LONGEST_KNOWN: Final = 2048


def names(headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for value in headers.getall(_HEADER, ()):
        for name in value.split(","):
            yield name.strip()


class _Left(NamedTuple):
    """What of some headers goes on."""

    values: Sequence[bytes | None]
    """In their order; None for one that listed nothing else."""
    instead: bytes
    """The value of one more header; empty: there is none."""


class Unwanted:
    """Betas that an upstream does not take."""

    __slots__ = ("_betas", "_instead", "_known")

    def __init__(self, betas: Collection[bytes], instead: Mapping[bytes, Sequence[bytes]] | None = None) -> None:
        """`instead`: by such a beta, what an upstream takes in its place."""
        self._betas = frozenset(betas)
        self._instead = instead or {}
        self._known: dict[tuple[bytes, ...], _Left | None] = {}
        """A client names the same ones with every request."""

    def __bool__(self) -> bool:
        return bool(self._betas)

    def out_of(self, headers: RawHeaders) -> RawHeaders:
        """The headers without them: their names cut out, the rest byte for byte; a header that listed nothing else goes
        as a whole. What stands in for those that were there comes last. The same object where none was there."""
        values = tuple([value for name, value in headers if len(name) == _LENGTH and name.lower() == _RAW_HEADER])
        if not values:
            return headers
        try:
            left = self._known[values]
        except KeyError:
            left = self._left(values)
            if len(self._known) < _KNOWN_LIMIT and sum(map(len, values)) <= _LONGEST_KNOWN:
                self._known[values] = left
        if left is None:
            return headers
        remaining: list[Header] = []
        position = 0
        for header in headers:
            name = header[0]
            if len(name) == _LENGTH and name.lower() == _RAW_HEADER:
                value = left.values[position]
                position += 1
                if value is not None:
                    remaining.append((name, value))
            else:
                remaining.append(header)
        if left.instead:
            remaining.append((_RAW_HEADER, left.instead))
        return tuple(remaining)

    def _left(self, values: Sequence[bytes]) -> _Left | None:
        """None: all of it."""
        listed = [[(part, part.strip(b" \t")) for part in value.split(b",")] for value in values]
        gone = [name for parts in listed for _, name in parts if name in self._betas]
        if not gone:
            return None
        kept = [self._without(value, parts) for value, parts in zip(values, listed, strict=True)]
        present = {name for parts in listed for _, name in parts if name not in self._betas}
        new = dict.fromkeys(one for name in gone for one in self._instead.get(name, ()) if one not in present)
        return _Left(kept, b",".join(new))

    def _without(self, value: bytes, parts: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        kept = [(part, name) for part, name in parts if name not in self._betas]
        if len(kept) == len(parts):
            return value
        return b",".join([part for part, _ in kept]).strip(b" \t") if any(name for _, name in kept) else None
