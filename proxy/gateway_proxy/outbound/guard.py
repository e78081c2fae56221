"""The way to a host that an operator named: its addresses are looked up once, all of them are judged, and a connection
goes to one of those that were judged. A name that changes its mind between two look-ups gains nothing."""

import asyncio
import ipaddress
import socket
from typing import Final

from aiohappyeyeballs import AddrInfoType, start_connection

from gateway_config.addresses import Refusal, refused_address, refused_host
from gateway_proxy.upstream.errors import RefusedAddressError

_NEXT_ADDRESS_SECONDS: Final = 0.25
"""How long an address has before the next one is tried beside it (RFC 8305)."""


def check_host(host: str, *, allow_loopback: bool) -> None:
    """Judges what can be judged without a look-up: for hosts that a forward proxy looks up. Raises
    RefusedAddressError."""
    refusal = refused_host(host, allow_loopback=allow_loopback)
    if refusal is not None:
        raise _refused(host, refusal)


async def resolve(host: str, port: int, *, allow_loopback: bool) -> list[AddrInfoType]:
    """The addresses of a host, in the resolver's order. One that is refused refuses the host: a name that leads to a
    metadata service once will do so again. Raises RefusedAddressError, OSError."""
    check_host(host, allow_loopback=allow_loopback)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    for _, _, _, _, where in found:
        refusal = refused_address(ipaddress.ip_address(where[0]), allow_loopback=allow_loopback)
        if refusal is not None:
            raise _refused(host, refusal)
    return list(found)


async def connect(host: str, port: int, *, allow_loopback: bool) -> socket.socket:
    """A socket connected to one of the host's addresses. Raises RefusedAddressError, OSError."""
    addresses = await resolve(host, port, allow_loopback=allow_loopback)
    return await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1)


def _refused(host: str, refusal: Refusal) -> RefusedAddressError:
    return RefusedAddressError(f"no connection to {host}: {refusal.what}: {refusal.way_out}")
