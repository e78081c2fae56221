"""Where a request comes from, and whether the gateway takes requests from there.

`X-Forwarded-For` is a list that every proxy on the way appends to, and that the client may have begun with whatever it
likes. So it is read from its end, and only as far as the addresses are those of trusted proxies: the first one that is
not is the client, and nothing left of it is looked at.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final, NamedTuple

from multidict import CIMultiDictProxy

from gateway_config.contract import Clients

MAX_HOPS: Final = 32
"""Entries of `X-Forwarded-For` that are looked at; behind them all, the last one counts as the client."""
_CACHED_ORIGINS: Final = 4096
"""The cache is emptied when it is full: entries cost a few hundred bytes, finding one anew some ten microseconds."""
_LONGEST_KEY: Final = 512
"""Characters of a header that is worth remembering."""
_FORWARDED: Final = "X-Forwarded-For"
_IPV6_BITS: Final = 128
_SUBSCRIBER_BITS: Final = 64
"""What one IPv6 customer has at the least: whoever has one address has 2^64 of them."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(NamedTuple):
    client: str
    """The client's address in its canonical form; IPv4 also where the socket says it as IPv6. Empty: unknown."""
    admitted: bool


class _Networks:
    """Networks of both families, as numbers."""

    __slots__ = ("_four", "_six")

    def __init__(self, texts: Iterable[str]) -> None:
        networks = [ipaddress.ip_network(text) for text in texts]
        pairs = {
            version: tuple(
                (int(network.netmask), int(network.network_address))
                for network in networks
                if network.version == version
            )
            for version in (4, 6)
        }
        self._four, self._six = pairs[4], pairs[6]

    def __bool__(self) -> bool:
        return bool(self._four or self._six)

    def __contains__(self, address: _Address) -> bool:
        number = int(address)
        pairs = self._four if address.version == 4 else self._six
        return any(number & mask == network for mask, network in pairs)


class AddressRules:
    """The address rules of one configuration. Raises ValueError for a network that is none."""

    __slots__ = ("_allowed", "_cache", "_denied", "_trusted")

    def __init__(self, clients: Clients) -> None:
        self._trusted = _Networks(clients.trusted_proxies)
        self._allowed = _Networks(clients.allow_cidrs)
        self._denied = _Networks(clients.deny_cidrs)
        self._cache: dict[tuple[str, ...], Origin] = {}

    def origin(self, peer: str, headers: CIMultiDictProxy[str]) -> Origin:
        """The origin of a request that came over a connection of `peer`."""
        forwarded = headers.getall(_FORWARDED, ()) if self._trusted else ()
        key = (peer, *forwarded)
        found = self._cache.get(key)
        if found is None:
            found = self._found(peer, forwarded)
            if sum(map(len, key)) <= _LONGEST_KEY:
                if len(self._cache) >= _CACHED_ORIGINS:
                    self._cache.clear()
                self._cache[key] = found
        return found

    def _found(self, peer: str, forwarded: Iterable[str]) -> Origin:
        client = _parsed(peer)
        if client is None:
            return Origin("", admitted=not self._allowed)
        if client in self._trusted:
            entries = ",".join(forwarded).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
            for entry in reversed(entries):
                before = _parsed_entry(entry)
                if before is None:
                    # Whoever wrote that is trusted and names nobody: the request counts as its own.
                    break
                client = before
                if client not in self._trusted:
                    break
        admitted = client not in self._denied and (not self._allowed or client in self._allowed)
        return Origin(str(client), admitted)


def limited_as(client: str) -> str:
    """What limits for each address count a client as: an IPv4 address by itself, an IPv6 one by its /64."""
    if ":" not in client:
        return client
    kept = int(ipaddress.IPv6Address(client)) >> (_IPV6_BITS - _SUBSCRIBER_BITS) << (_IPV6_BITS - _SUBSCRIBER_BITS)
    return f"{ipaddress.IPv6Address(kept)}/{_SUBSCRIBER_BITS}"


def plain(peer: str) -> str:
    """A socket's address in its canonical form; empty for none."""
    address = _parsed(peer)
    return str(address) if address is not None else ""


def _parsed(text: str) -> _Address | None:
    """An address without its zone, and as IPv4 where it only wraps one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _parsed_entry(entry: str) -> _Address | None:
    """An address as load balancers write it: alone, or with a port, which an IPv6 one needs brackets for."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _parsed(text)
