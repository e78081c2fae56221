"""Addresses that a gateway never connects to, whoever names them: the rule of both planes.

Cloud metadata services hand out credentials to whoever can reach them from a pod; link-local, loopback and multicast
addresses lead to the node and the pod themselves. Private networks are allowed: collectors, issuers and private
endpoints live there. Sources: RFC 6890 and the clouds' own manuals.
"""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, Oracle, OpenStack and others
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure's wire server
            "192.0.0.192",  # Oracle, of old
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS: credentials of EKS pod identity
            "fd20:ce::254",  # Google
            "fd00:42::42",  # Scaleway
        ),
    )
)
_METADATA_NAMES: Final = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
    }
)
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64: Final = ipaddress.ip_network("64:ff9b:1::/48")
_TRANSLATED: Final = 0xFFFF0000
"""What stands before the IPv4 address in `::ffff:0:a.b.c.d` (RFC 2765)."""
_32_BITS: Final = 0xFFFFFFFF


class Refusal(NamedTuple):
    """Why a gateway does not connect somewhere."""

    what: str
    """The address, or the name, and of which kind it is."""
    way_out: str


def refused_address(address: Address, *, allow_loopback: bool) -> Refusal | None:
    """None: it may be connected to. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo, ISATAP) counts as
    the IPv4 address."""
    for each in (address, *_embedded(address)):
        kind = _kind(each)
        if kind is None or (kind == "a loopback address" and allow_loopback):
            continue
        inside = "" if each == address else f" (inside {address})"
        return Refusal(f"{each}{inside} is {kind}", _way_out(kind))
    return None


def refused_host(host: str, *, allow_loopback: bool) -> Refusal | None:
    """What can be said of a URL's host without asking for its addresses: of an address in any spelling that resolvers
    take (`127.1`, `0x7f000001`), of the names of metadata services, of localhost."""
    name = host.strip("[]").lower().rstrip(".")
    address = literal(name)
    if address is not None:
        return refused_address(address, allow_loopback=allow_loopback)
    if name in _METADATA_NAMES:
        kind = "the metadata service of a cloud"
        return Refusal(f"{name} is {kind}", _way_out(kind))
    if (name == "localhost" or name.endswith(".localhost")) and not allow_loopback:
        kind = "a loopback address"
        return Refusal(f"{name} is {kind}", _way_out(kind))
    return None


def literal(host: str) -> Address | None:
    """The address that a host is, without brackets; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None


def _kind(address: Address) -> str | None:
    if address in _METADATA:
        return "the metadata service of a cloud"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return "an unspecified address"
    if address.version == 4 and address.is_reserved:
        return "a reserved address"
    return None


def _way_out(kind: str) -> str:
    if kind == "a loopback address":
        return "set spec.egress.allowLoopback of the GatewayDeployment where the pod itself is meant"
    return "a gateway never connects to one; name another host"


def _embedded(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if address.version == 4:
        return
    value = int(address)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    before, low = value >> 32, ipaddress.IPv4Address(value & _32_BITS)
    compatible = before == 0 and value > 1
    isatap = before & _32_BITS in (0x5EFE, 0x02005EFE)
    if address in _NAT64 or compatible or isatap or before == _TRANSLATED:
        yield low
    if address in _LOCAL_NAT64:
        # RFC 6052, 2.2: where the address lies behind a prefix of 96, 64, 56 and 48 bits; bits 64 to 71 are left out.
        forms = (
            int(low),
            value >> 24 & _32_BITS,
            (value >> 64 & 0xFF) << 24 | value >> 32 & 0xFFFFFF,
            (value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF,
        )
        # In all forms but the right one, zeros come first.
        yield from (inner for inner in map(ipaddress.IPv4Address, forms) if inner not in _THIS_NETWORK)
