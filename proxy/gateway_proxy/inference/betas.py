"""The names that a request's `anthropic-beta` headers list."""

from collections.abc import Iterable, Iterator

from multidict import CIMultiDictProxy

RawHeaders = tuple[tuple[bytes, bytes], ...]

_HEADER = "anthropic-beta"
_RAW_HEADER = _HEADER.encode()


def names(headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for value in headers.getall(_HEADER, ()):
        for name in value.split(","):
            yield name.strip()


def without(headers: RawHeaders, beta: str) -> RawHeaders:
    """The headers without that beta: its name cut out, the rest byte for byte; a header that listed nothing else goes
    as a whole."""
    unwanted = beta.encode()
    if not any(unwanted in value for _, value in headers):
        return headers
    return tuple(_remaining(headers, unwanted))


def _remaining(headers: Iterable[tuple[bytes, bytes]], unwanted: bytes) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name.lower() != _RAW_HEADER or unwanted not in value:
            yield name, value
            continue
        kept = [one for one in value.split(b",") if one.strip() != unwanted]
        if any(one.strip() for one in kept):
            yield name, b",".join(kept).strip()
