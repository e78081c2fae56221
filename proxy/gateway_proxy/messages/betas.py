"""The names that a request's `anthropic-beta` headers list."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from multidict import CIMultiDictProxy

from gateway_proxy.memo import Memo

BetaValues = tuple[bytes, ...]
"""Those headers' values, in their order."""

HEADER: Final = b"anthropic-beta"
_KNOWN_LIMIT: Final = 32
_LONGEST_KNOWN: Final = 2048

_is_beta: Final = Memo(lambda name: name.lower() == HEADER)
"""By a header's name as it is written."""


def names(headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for value in headers.getall(HEADER.decode(), ()):
        for name in value.split(","):
            yield name.strip()


def values_of(headers: Sequence[tuple[bytes, bytes]]) -> BetaValues:
    """Out of all headers of a request, in whatever way the name is written."""
    return tuple([value for name, value in headers if _is_beta[name]])


class Unwanted:
    """Betas that an upstream does not take."""

    __slots__ = ("_betas", "_instead", "_known")

    def __init__(self, betas: Collection[bytes], instead: Mapping[bytes, Sequence[bytes]] | None = None) -> None:
        """`instead`: by such a beta, what an upstream takes in its place."""
        self._betas = frozenset(betas)
        self._instead = instead or {}
        self._known: dict[BetaValues, BetaValues] = {}
        """A client names the same ones with every request."""

    def out_of(self, values: BetaValues) -> BetaValues:
        """The values without them: their names cut out, the rest byte for byte; one that listed nothing else goes as a
        whole. What stands in for those that were there comes last. The same object where none was there."""
        if not values or not self._betas:
            return values
        left = self._known.get(values)
        if left is None:
            left = self._left(values)
            if len(self._known) < _KNOWN_LIMIT and sum(map(len, values)) <= _LONGEST_KNOWN:
                self._known[values] = left
        return values if left == values else left

    def _left(self, values: BetaValues) -> BetaValues:
        listed = [[(part, part.strip(b" \t")) for part in value.split(b",")] for value in values]
        gone = [name for parts in listed for _, name in parts if name in self._betas]
        if not gone:
            return values
        kept = [self._without(value, parts) for value, parts in zip(values, listed, strict=True)]
        present = {name for parts in listed for _, name in parts if name not in self._betas}
        new = dict.fromkeys(one for name in gone for one in self._instead.get(name, ()) if one not in present)
        if new:
            kept.append(b",".join(new))
        return tuple([value for value in kept if value is not None])

    def _without(self, value: bytes, parts: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        kept = [(part, name) for part, name in parts if name not in self._betas]
        if len(kept) == len(parts):
            return value
        return b",".join([part for part, _ in kept]).strip(b" \t") if any(name for _, name in kept) else None
