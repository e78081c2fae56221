"""The names that a request's `anthropic-beta` headers list."""

from collections.abc import Collection, Iterator

from multidict import CIMultiDictProxy

RawHeaders = tuple[tuple[bytes, bytes], ...]

_HEADER = "anthropic-beta"
_RAW_HEADER = _HEADER.encode()
_LENGTH = len(_RAW_HEADER)


def names(headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for value in headers.getall(_HEADER, ()):
        for name in value.split(","):
            yield name.strip()


def without(headers: RawHeaders, unwanted: Collection[bytes]) -> RawHeaders:
    """The headers without those betas: their names cut out, the rest byte for byte; a header that listed nothing else
    goes as a whole."""
    for name, value in headers:
        if len(name) == _LENGTH and name.lower() == _RAW_HEADER and any(beta in value for beta in unwanted):
            return tuple(_remaining(headers, unwanted))
    return headers


def _remaining(headers: RawHeaders, unwanted: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name.lower() != _RAW_HEADER or not any(beta in value for beta in unwanted):
            yield name, value
            continue
        kept = [one for one in value.split(b",") if one.strip(b" \t") not in unwanted]
        if any(one.strip(b" \t") for one in kept):
            yield name, b",".join(kept).strip(b" \t")
