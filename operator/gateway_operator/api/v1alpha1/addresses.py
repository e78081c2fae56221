"""URLs, hosts, addresses and networks."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field

from gateway_operator.api.v1alpha1.base import Rule

_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?"
_PATH = r"(/[-A-Za-z0-9._~!$&()*+,;=:@%/]*)?"
_LOOPBACK = r"(localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\])"
_BRACKETS = re.compile(r"\[([^\]]*)\]")


def _url_rule(regex: str, message: str, *, or_empty: bool = False) -> Rule:
    """The text has the form and, where its host is an address in brackets, that is one."""
    compiled = re.compile(regex.removesuffix("$") + r"\Z")

    def holds(text: str) -> bool:
        if or_empty and not text:
            return True
        if compiled.match(text) is None:
            return False
        bracketed = _BRACKETS.search(text.split("/", 3)[2])
        return bracketed is None or is_ip(bracketed[1])

    # Not isIP(url(self).getHostname()): the API server takes a host of unknown length for an unbounded cost.
    address = r"(!self.contains('//[') || isIP(self.find(r'\[[^\]]*').replace('[', '')))"
    return Rule(
        cel=f"{'self == ' + repr('') + ' || ' if or_empty else ''}self.matches(r'{regex}') && {address}",
        message=message,
        holds=holds,
    )


def is_ip(text: str) -> bool:
    """What CEL's `isIP` takes: no zone, no IPv4 address inside an IPv6 one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and not (address.version == 6 and address.ipv4_mapped is not None)


def normal_origin(origin: str) -> str:
    """As browsers write it (RFC 6454, section 6.1): in lower case, without the scheme's own port and a slash."""
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = f"[{ipaddress.ip_address(host).compressed}]"
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if port in (None, default) else f"{parts.scheme}://{host}:{port}"


def is_network(text: str) -> bool:
    """A CIDR in CEL's sense, without bits behind the mask."""
    address, slash, bits = text.partition("/")
    if not slash or not is_ip(address) or not bits.isascii() or not bits.isdigit() or str(int(bits)) != bits:
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


_text = Field(min_length=1, max_length=2048)

Origin = Annotated[
    str,
    Field(min_length=1, max_length=263),
    _url_rule(
        rf"^https?://{_HOST}{_PORT}$",
        "must be an origin such as https://claude.corp.example: scheme, host and, if need be, port; no path, no user",
    ),
    Rule(
        cel=rf"!self.startsWith('http://') || self.matches(r'^http://{_LOOPBACK}(:[0-9]+)?$')",
        message="must begin with https://; only on loopback is http:// enough",
        holds=lambda text: (
            not text.startswith("http://") or re.match(rf"http://{_LOOPBACK}(:[0-9]+)?\Z", text) is not None
        ),
    ),
]
"""The public URL of a gateway."""

SecureURL = Annotated[
    str,
    _text,
    _url_rule(
        rf"^(https://{_HOST}|http://{_LOOPBACK}){_PORT}{_PATH}$",
        "must be an https:// URL without user, query and fragment; only on loopback is http:// enough",
    ),
]
"""Where tokens and keys are fetched: issuers, hooks."""

BaseURL = Annotated[
    str,
    Field(max_length=2048),
    _url_rule(
        rf"^https?://{_HOST}{_PORT}{_PATH}$",
        "must be an http:// or https:// URL without user, query and fragment",
        or_empty=True,
    ),
]
"""An upstream's address; empty stands for the provider's own."""

EndpointURL = Annotated[
    str,
    _text,
    _url_rule(
        rf"^https?://{_HOST}{_PORT}{_PATH}$", "must be an http:// or https:// URL without user, query and fragment"
    ),
]
"""A collector's address; in-cluster ones speak plain HTTP."""

ProxyURL = Annotated[
    str,
    Field(max_length=300),
    _url_rule(rf"^http://{_HOST}{_PORT}/?$", "must be http://HOST:PORT, without user and path", or_empty=True),
]

FormOrigin = Annotated[
    str,
    Field(min_length=1, max_length=263),
    _url_rule(rf"^https://{_HOST}{_PORT}$", "must be an https:// origin: scheme, host and, if need be, port"),
]

Network = Annotated[
    str,
    Field(min_length=2, max_length=43),
    Rule(
        cel="isIP(self) || (isCIDR(self) && cidr(self).masked() == cidr(self))",
        message="must be an address or a network such as 10.0.0.0/8, without bits behind the mask",
        holds=lambda text: is_ip(text) or is_network(text),
    ),
]

Block = Annotated[
    str,
    Field(min_length=2, max_length=43),
    Rule(
        cel="isCIDR(self) && cidr(self).masked() == cidr(self)",
        message="must be a network such as 10.0.0.0/8, without bits behind the mask",
        holds=is_network,
    ),
]
"""What a NetworkPolicy takes."""

DIRECT_HOST_PATTERN: Final = r"^[-A-Za-z0-9._*:\[\]/]+$"
DirectHost = Annotated[str, Field(min_length=1, max_length=253, pattern=DIRECT_HOST_PATTERN)]
"""An entry of `noProxy`: a name, `.suffix`, an address or a CIDR."""
