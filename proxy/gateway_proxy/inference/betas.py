"""The names that a request's `anthropic-beta` headers list."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from multidict import CIMultiDictProxy

Header = tuple[bytes, bytes]
RawHeaders = tuple[Header, ...]

_HEADER = "anthropic-beta"
_RAW_HEADER = _HEADER.encode()
_LENGTH = len(_RAW_HEADER)
_LONGEST_KNOWN = 2048


def names(headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for value in headers.getall(_HEADER, ()):
        for name in value.split(","):
            yield name.strip()


def without(headers: RawHeaders, unwanted: frozenset[bytes]) -> RawHeaders:
    """The headers without those betas: their names cut out, the rest byte for byte; a header that listed nothing else
    goes as a whole."""
    for name, value in headers:
        if len(name) == _LENGTH and name.lower() == _RAW_HEADER and _concerns(value, unwanted):
            return tuple(_remaining(headers, unwanted))
    return headers


def replaced(before: Iterable[Header], after: RawHeaders, instead: Mapping[bytes, Sequence[bytes]]) -> RawHeaders:
    """The headers `after` some betas went, with what stands in for those that were there `before`, once each."""
    gone = [name for name in _listed(before) if name in instead]
    known = set(_listed(after))
    new = dict.fromkeys(one for name in gone for one in instead[name] if one not in known)
    return (*after, (_RAW_HEADER, b",".join(new))) if new else after


def _listed(headers: Iterable[Header]) -> Iterator[bytes]:
    for name, value in headers:
        if name.lower() == _RAW_HEADER:
            yield from (one.strip(b" \t") for one in value.split(b","))


def _concerns(value: bytes, unwanted: frozenset[bytes]) -> bool:
    return _known(value, unwanted) if len(value) <= _LONGEST_KNOWN else _names_any(value, unwanted)


def _names_any(value: bytes, unwanted: frozenset[bytes]) -> bool:
    return any(beta in value for beta in unwanted)


_known = lru_cache(256)(_names_any)
"""A client names the same ones with every request."""


def _remaining(headers: RawHeaders, unwanted: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name.lower() != _RAW_HEADER or not _concerns(value, unwanted):
            yield name, value
            continue
        kept = [one for one in value.split(b",") if one.strip(b" \t") not in unwanted]
        if any(one.strip(b" \t") for one in kept):
            yield name, b",".join(kept).strip(b" \t")
